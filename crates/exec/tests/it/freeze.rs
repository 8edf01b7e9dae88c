//! Tests of frozen parameters: steps keep their bits, and all other parameters change as if these had no
//! gradient.

use bonsai_checkpoint::{Array, Weights};
use bonsai_exec::{Buffer, Executor, Mode, UpdateRule};
use bonsai_graph::Graph;
use bonsai_testkit::{Tolerance, assert_arrays_close, random_array, random_weights};

use crate::engines::Engine;

const NETWORK: &str = "
    x = input() channels=3
    a.conv = conv2d(x) out_channels=13 kernel=3 stride=1 padding=1 bias=false
    a.bn = batch_norm(a.conv) eps=0.001 momentum=0.03
    a.act = silu(a.bn)
    b.conv = conv2d(a.act) out_channels=20 kernel=1 stride=1 padding=0 bias=true
    b.bn = batch_norm(b.conv) eps=0.001 momentum=0.03
    outputs = b.bn";

const FROZEN: [&str; 4] = ["a.conv.weight", "a.bn.bias", "b.conv.bias", "b.bn.weight"];

fn rule() -> UpdateRule {
    let mut rule = UpdateRule {
        momentum: 0.9,
        nesterov: true,
        clip_norm: Some(1.0),
        ema_decay: 0.9,
        ..UpdateRule::sgd(0.05)
    };
    rule.conv_weight.weight_decay = 0.1;
    rule.bn_gamma.l1 = 0.1;
    rule
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|n| (*n).to_owned()).collect()
}

fn gradients(executor: &mut dyn Executor, seed: u64) {
    executor.forward(Mode::Train, &random_array(seed, &[2, 3, 6, 5])).unwrap();
    executor.backward(&[random_array(seed + 100, &[2, 20, 6, 5])]).unwrap();
}

/// Performs two steps and returns their gradient norms.
fn train(executor: &mut dyn Executor) -> [f32; 2] {
    [0, 1].map(|seed| {
        gradients(executor, seed);
        executor.update(&rule()).unwrap().gradient_norm
    })
}

#[test]
fn frozen_parameters_stay_and_statistics_go_on() {
    let graph: Graph = NETWORK.parse().unwrap();
    let weights = random_weights(3, &graph);
    for engine in Engine::all() {
        let mut executor = engine.start(&graph, &weights);
        // Earlier momentum must not change.
        train(&mut *executor);
        executor.freeze(&names(&FROZEN)).unwrap();
        let before = [Buffer::Params, Buffer::Momentum, Buffer::Ema].map(|b| executor.read(b).unwrap());
        train(&mut *executor);
        let after = [Buffer::Params, Buffer::Momentum, Buffer::Ema].map(|b| executor.read(b).unwrap());
        for (name, array) in after[0].iter() {
            let changed = before[0].get(name).unwrap() != array;
            assert_eq!(changed, !FROZEN.contains(&name), "{engine:?}, {name}");
            if let Some(momentum) = after[1].get(name) {
                assert_eq!(
                    before[1].get(name).unwrap() != momentum,
                    changed,
                    "{engine:?}, momentum of {name}"
                );
            }
        }
        // The average of a parameter that was trained before moves on towards its value.
        for name in FROZEN {
            let raw = after[0].get(name).unwrap().data();
            let old = before[2].get(name).unwrap().data();
            let towards = raw.iter().zip(old).map(|(raw, old)| 0.81 * old + 0.19 * raw).collect();
            let expected = Array::new(after[0].get(name).unwrap().shape(), towards);
            assert_arrays_close(after[2].get(name).unwrap(), &expected, Tolerance::Close, name);
        }
        assert!(
            executor.read(Buffer::Gradients).unwrap().iter().all(|(_, a)| a.data().iter().all(|g| *g == 0.0))
        );
    }
}

#[test]
fn frozen_from_the_start_the_average_is_the_parameter() {
    let graph: Graph = NETWORK.parse().unwrap();
    let weights = random_weights(3, &graph);
    for engine in Engine::all() {
        let mut executor = engine.start(&graph, &weights);
        executor.freeze(&names(&FROZEN)).unwrap();
        train(&mut *executor);
        for buffer in [Buffer::Params, Buffer::Ema] {
            for name in FROZEN {
                assert_eq!(executor.read(buffer).unwrap().get(name), weights.get(name), "{engine:?}, {name}");
            }
        }
    }
}

#[test]
fn the_others_move_as_if_the_frozen_had_no_gradient() {
    let graph: Graph = NETWORK.parse().unwrap();
    let weights = random_weights(3, &graph);
    // With L1 and weight decay, even a parameter without gradient changes, so only the other parameters are
    // compared.
    for engine in Engine::all() {
        let mut frozen = engine.start(&graph, &weights);
        frozen.freeze(&names(&FROZEN)).unwrap();
        gradients(&mut *frozen, 0);
        let mut zeroed = engine.start(&graph, &weights);
        let without: Weights = frozen
            .read(Buffer::Gradients)
            .unwrap()
            .iter()
            .map(|(n, a)| {
                (n.to_owned(), if FROZEN.contains(&n) { Array::zeros(a.shape()) } else { a.clone() })
            })
            .collect();
        zeroed.forward(Mode::Train, &random_array(0, &[2, 3, 6, 5])).unwrap();
        zeroed.write(Buffer::Gradients, &without).unwrap();
        let mut rule = rule();
        rule.bn_gamma.l1 = 0.0;
        let norms = [&mut frozen, &mut zeroed].map(|e| e.update(&rule).unwrap().gradient_norm);
        assert!((norms[0] - norms[1]).abs() < 1e-5 * norms[1] && norms[1] > 1.0, "{norms:?}");
        for buffer in [Buffer::Params, Buffer::Momentum, Buffer::Ema] {
            let frozen = frozen.read(buffer).unwrap();
            let zeroed = zeroed.read(buffer).unwrap();
            for (name, array) in frozen.iter().filter(|(n, _)| !FROZEN.contains(n)) {
                let what = format!("{engine:?}, {buffer:?} of {name}");
                assert_arrays_close(array, zeroed.get(name).unwrap(), Tolerance::Close, &what);
            }
        }
    }
}

#[test]
fn freezing_can_be_taken_back_and_names_are_checked() {
    let graph: Graph = NETWORK.parse().unwrap();
    let weights = random_weights(3, &graph);
    for engine in Engine::all() {
        let mut executor = engine.start(&graph, &weights);
        executor.freeze(&names(&FROZEN)).unwrap();
        for wrong in ["a.conv", "a.bn.running_mean", ""] {
            let error = executor.freeze(&names(&["a.bn.weight", wrong])).unwrap_err();
            assert!(error.to_string().contains(&format!("`{wrong}`")), "{error}");
        }
        train(&mut *executor);
        assert_ne!(executor.read(Buffer::Params).unwrap().get("a.bn.weight"), weights.get("a.bn.weight"));
        let mut thawed = engine.start(&graph, &weights);
        thawed.freeze(&names(&FROZEN)).unwrap();
        thawed.freeze(&[]).unwrap();
        let mut plain = engine.start(&graph, &weights);
        assert_eq!(train(&mut *thawed), train(&mut *plain));
        assert_eq!(thawed.read(Buffer::Params).unwrap(), plain.read(Buffer::Params).unwrap());
    }
}
