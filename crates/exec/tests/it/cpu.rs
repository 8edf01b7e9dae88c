//! Tests of the CPU engine against the first engine, which is candle if the program has it (values, taps, gradients, statistics, steps) and of its guarantees
//! about bits.

use bonsai_checkpoint::Array;
use bonsai_exec::{Buffer, CpuExecutor, CpuOptions, Executor, Isa, L1Placement, Mode, UpdateRule};
use bonsai_graph::{Graph, NodeId};
use bonsai_testkit::{
    RandomGraphConfig, RandomModel, Tolerance, arb_model, random_array, random_model, random_weights,
};
use proptest::prelude::*;

use crate::engines::Engine;
use crate::seen::{Seen, named};

/// About every fourth layer.
fn some_taps(graph: &Graph, seed: u64) -> Vec<NodeId> {
    graph.ids().filter(|id| (seed >> (id.index() % 61)).is_multiple_of(4)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn all_that_is_seen_equals_the_first_engine(
        model in arb_model(RandomGraphConfig { max_channels: 40, ..RandomGraphConfig::default() }),
        seed: u64,
        n in 2usize..4,
    ) {
        let graph = model.spec().graph();
        let weights = &model.checkpoint.weights;
        let images = random_array(seed, &[n, 3, model.h, model.w]);
        let taps = some_taps(graph, seed);
        let (first, others) = Engine::first_and_others();
        let expected = Seen::new(&mut *first.start(graph, weights), &images, &taps);
        for engine in others {
            let seen = Seen::new(&mut *engine.start(graph, weights), &images, &taps);
            seen.assert_close(&expected, Tolerance::Close, &format!("{engine:?}, {taps:?} of\n{graph}"));
        }
    }
}

fn rule() -> UpdateRule {
    let mut rule = UpdateRule {
        momentum: 0.9,
        nesterov: true,
        clip_norm: Some(5.0),
        l1_placement: L1Placement::AfterClip,
        ema_decay: 0.7,
        ..UpdateRule::sgd(0.01)
    };
    rule.conv_weight.weight_decay = 0.01;
    rule.bn_gamma.l1 = 0.1;
    rule
}

const BUFFERS: [Buffer; 4] = [Buffer::Params, Buffer::Momentum, Buffer::Ema, Buffer::Gradients];

/// Three steps of two accumulated passes each, and an evaluation.
fn train(executor: &mut dyn Executor, model: &RandomModel) -> Seen {
    let mut arrays = Vec::new();
    for step in 0..6u64 {
        let images = random_array(step, &[2, 3, model.h, model.w]);
        let outputs = executor.forward(Mode::Train, &images).unwrap();
        executor.backward(&outputs).unwrap();
        if step % 2 == 1 {
            let report = executor.update(&rule()).unwrap();
            arrays.push((format!("norm {step}"), Array::new(&[1], vec![report.gradient_norm])));
        }
    }
    for buffer in BUFFERS {
        arrays.extend(named(&executor.read(buffer).unwrap(), buffer));
    }
    let images = random_array(9, &[1, 3, model.h, model.w]);
    for output in executor.forward(Mode::Eval, &images).unwrap() {
        arrays.push(("output".to_owned(), output));
    }
    Seen { arrays }
}

#[test]
fn steps_equal_those_of_the_first_engine() {
    for seed in 0..6 {
        let model = random_model(seed, &RandomGraphConfig::default());
        let graph = model.spec().graph();
        let weights = &model.checkpoint.weights;
        let (first, others) = Engine::first_and_others();
        let expected = train(&mut *first.start(graph, weights), &model);
        for engine in others {
            let seen = train(&mut *engine.start(graph, weights), &model);
            // Differences grow with every step.
            seen.assert_close(&expected, Tolerance::Approx, &format!("{engine:?}, seed {seed}"));
        }
    }
}

#[test]
fn bits_depend_on_the_instruction_set_alone() {
    let config = RandomGraphConfig { max_channels: 40, max_side: 40, ..RandomGraphConfig::default() };
    for seed in 0..4 {
        let model = random_model(seed, &config);
        let graph = model.spec().graph();
        let weights = &model.checkpoint.weights;
        for isa in Isa::available() {
            let run = |threads| {
                let options = CpuOptions { threads, winograd: true, isa: Some(isa) };
                train(&mut CpuExecutor::new(graph, weights, options).unwrap(), &model)
            };
            let first = run(1);
            for threads in [1, 2, 3] {
                assert!(run(threads) == first, "{isa}, {threads} threads, seed {seed}");
            }
        }
    }
}

#[test]
fn winograd_is_close_to_direct() {
    let config = RandomGraphConfig { max_channels: 64, max_side: 48, ..RandomGraphConfig::default() };
    for seed in 0..4 {
        let model = random_model(seed, &config);
        let graph = model.spec().graph();
        let weights = &model.checkpoint.weights;
        let images = random_array(seed, &[2, 3, model.h, model.w]);
        for isa in Isa::available() {
            let seen = [false, true].map(|winograd| {
                let options = CpuOptions { threads: 1, winograd, isa: Some(isa) };
                Seen::new(&mut CpuExecutor::new(graph, weights, options).unwrap(), &images, &[])
            });
            seen[1].assert_close(&seen[0], Tolerance::Approx, &format!("{isa}, seed {seed}"));
        }
    }
}

#[test]
fn yolov8n_equals_the_first_engine() {
    let names: Vec<String> = (0..3).map(|i| format!("class{i}")).collect();
    let model = bonsai_yolov8::build(bonsai_yolov8::Scale::N, &names).unwrap();
    let graph = model.graph();
    let weights = random_weights(1, model.graph());
    let images = random_array(2, &[2, 3, 96, 64]);
    let (first, _) = Engine::first_and_others();
    let expected = Seen::new(&mut *first.start(graph, &weights), &images, &[]);
    for winograd in [false, true] {
        let options = CpuOptions { threads: 2, winograd, isa: None };
        let seen = Seen::new(&mut CpuExecutor::new(graph, &weights, options).unwrap(), &images, &[]);
        // Twenty batch norms in a row, the last over 12 pixels, magnify rounding errors.
        seen.assert_close(&expected, Tolerance::Approx, &format!("winograd {winograd}"));
    }
}

#[test]
fn many_sizes_and_changed_parameters_never_meet_stale_plans() {
    let model = random_model(1, &RandomGraphConfig::default());
    let graph = model.spec().graph();
    let weights = &model.checkpoint.weights;
    let options = CpuOptions { threads: 1, winograd: false, isa: None };
    let mut executor = CpuExecutor::new(graph, weights, options).unwrap();
    let other = random_weights(77, graph);
    for round in 0..2 {
        for n in 1..12 {
            let images = random_array(n as u64, &[n, 3, model.h, model.w]);
            let current = if n % 2 == 0 { weights } else { &other };
            executor.write(Buffer::Params, current).unwrap();
            let outputs = executor.forward(Mode::Eval, &images).unwrap();
            let expected =
                CpuExecutor::new(graph, current, options).unwrap().forward(Mode::Eval, &images).unwrap();
            assert_eq!(outputs, expected, "round {round}, {n} images");
        }
    }
}

#[test]
fn layers_are_timed_by_name() {
    let model = random_model(1, &RandomGraphConfig::default());
    let options = CpuOptions { threads: 1, ..CpuOptions::default() };
    let mut executor = CpuExecutor::new(model.spec().graph(), &model.checkpoint.weights, options).unwrap();
    let images = random_array(1, &[2, 3, model.h, model.w]);
    executor.forward(Mode::Train, &images).unwrap();
    assert_eq!(executor.timings(), []);
    executor.set_timed(true);
    let outputs = executor.forward(Mode::Train, &images).unwrap();
    executor.backward(&outputs).unwrap();
    let timings = executor.timings();
    let stem = timings.iter().find(|t| t.node == "n1.conv2d").unwrap();
    assert!(!stem.forward.is_zero() && !stem.backward.is_zero(), "{timings:?}");
    executor.set_timed(false);
    assert_eq!(executor.timings(), []);
}
