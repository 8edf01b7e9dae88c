//! Tests of the CUDA executor alone, on the GPU that the environment variable `BONSAI_TEST_DEVICE` names.

use std::process::Command;

use bonsai_boxes::Cxcywh;
use bonsai_checkpoint::Array;
use bonsai_exec::{
    Buffer, ComputePrecision, CudaExecutor, Executor, HeadGradient, HeadPass, L1Placement, Mode, UpdateRule,
};
use bonsai_testkit::{RandomGraphConfig, random_array, random_model, random_weights};
use bonsai_yolov8::{LossGains, SplitLoss, Target};

use crate::engines::{Engine, device, on_gpu};
use crate::seen::Seen;

fn yolov8n() -> bonsai_graph::ModelSpec {
    let names: Vec<String> = (0..3).map(|i| format!("class{i}")).collect();
    bonsai_yolov8::build(bonsai_yolov8::Scale::N, &names).unwrap()
}

/// Tensor cores round the operands of products to 10 bits of fraction, and bf16 rounds what is between layers to 7.
#[test]
fn every_precision_is_close_to_f32_and_not_equal() {
    if !on_gpu() {
        return;
    }
    let model = yolov8n();
    let weights = random_weights(1, model.graph());
    let images = random_array(2, &[2, 3, 64, 64]);
    let run = |precision| {
        let mut executor = CudaExecutor::new(model.graph(), &weights, device(), precision).unwrap();
        executor.forward(Mode::Eval, &images).unwrap()
    };
    let [f32s, tf32s, bf16s] = ComputePrecision::ALL.map(run);
    // Rounding errors of 2^-11 and of 2^-8 in 60 layers in a row.
    for (rounded, bound) in [(tf32s, 2e-2), (bf16s, 3e-2)] {
        let mut worst = 0.0f32;
        for (exact, rounded) in f32s.iter().zip(&rounded) {
            let largest = exact.data().iter().fold(0.0f32, |most, v| most.max(v.abs()));
            let pairs = exact.data().iter().zip(rounded.data());
            worst = pairs.map(|(a, b)| (a - b).abs() / largest).fold(worst, f32::max);
        }
        assert!(worst > 0.0 && worst < bound, "{worst}");
    }
}

#[test]
fn the_same_start_gives_the_same_bits() {
    if !on_gpu() {
        return;
    }
    let model = yolov8n();
    let weights = random_weights(1, model.graph());
    let images = random_array(2, &[2, 3, 32, 32]);
    for precision in [ComputePrecision::Tf32, ComputePrecision::Bf16] {
        let run = || Seen::new(&mut *Engine::Cuda(precision).start(model.graph(), &weights), &images, &[]);
        assert!(run() == run(), "{precision}");
    }
}

/// Names the number of steps and the image size of a child process.
const STEPS: &str = "BONSAI_TEST_STEPS";
const SIZE: &str = "BONSAI_TEST_SIZE";
/// Turns CUDA graphs on in the child process.
const GRAPHS: &str = "BONSAI_TEST_GRAPHS";

/// Trains a detector of 80 classes on two images of 8 bits with one object each, in a child process of the test below.
#[test]
fn steps_of_a_child_process() {
    let number = |name| std::env::var(name).ok().map(|text| text.parse::<usize>().unwrap());
    let (Some(steps), Some(size)) = (number(STEPS), number(SIZE)) else { return };
    let names: Vec<String> = (0..80).map(|i| format!("class{i}")).collect();
    let model = bonsai_yolov8::build(bonsai_yolov8::Scale::N, &names).unwrap();
    let head = model.head();
    let weights = random_weights(1, model.graph());
    let mut images = random_array(2, &[2, 3, size, size]);
    images.data_mut().iter_mut().for_each(|v| *v = (v.abs() * 255.0).round().min(255.0) / 255.0);
    let bbox = Cxcywh { cx: 0.5, cy: 0.5, w: 0.9, h: 0.9 };
    let targets = [0, 1].map(|image| Target { image, class_id: 70 * image, bbox });
    let mut executor = CudaExecutor::new(model.graph(), &weights, device(), ComputePrecision::F32)
        .unwrap()
        .with_graphs(std::env::var_os(GRAPHS).is_some());
    let mut rule =
        UpdateRule { momentum: 0.9, clip_norm: Some(10.0), ema_decay: 0.5, ..UpdateRule::sgd(1e-4) };
    rule.l1_placement = L1Placement::AfterClip;
    rule.bn_gamma.l1 = 1e-3;
    for _ in 0..steps {
        let mut loss = SplitLoss::new(head, 2, [size, size], &targets).unwrap();
        let summary = executor.forward_head(&images, head, loss.columns()).unwrap();
        loss.assign(&summary.distances, &summary.logits);
        assert_eq!(loss.anchors().len(), 20, "every object gets its ten anchors");
        let box_logits = executor.box_logits(loss.anchors()).unwrap();
        let output = loss.evaluate(summary.softplus, &box_logits, LossGains::default());
        let gradient = HeadGradient {
            class_scale: output.class_scale,
            anchors: loss.anchors(),
            class_terms: &output.class_terms,
            box_logits: &output.box_logits,
        };
        executor.backward_head(&gradient).unwrap();
        executor.update(&rule).unwrap();
    }
    assert!(executor.read(Buffer::Params).is_ok());
}

/// The calls of one step, by name: a third of the difference between trainings of six and of three steps.
fn calls_of_a_step(size: usize, graphs: bool) -> impl Fn(&str) -> u64 {
    let folder = std::env::temp_dir().join(format!("bonsai-counts-{}-{graphs}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let count = |steps: u64| -> serde_json::Value {
        let report = folder.join(format!("{steps}.json"));
        let run = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "cuda::steps_of_a_child_process"])
            .envs(graphs.then_some((GRAPHS, "1")))
            .env(STEPS, steps.to_string())
            .env(SIZE, size.to_string())
            .env("CUDA_ON_HOST_REPORT", &report)
            .output()
            .unwrap();
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stdout));
        serde_json::from_str(&std::fs::read_to_string(report).unwrap()).unwrap()
    };
    let [few, many] = [3, 6].map(count);
    std::fs::remove_dir_all(&folder).unwrap();
    move |name| {
        let calls = |all: &serde_json::Value| all["calls"][name].as_u64().unwrap_or(0);
        calls(&many).saturating_sub(calls(&few)) / 3
    }
}

/// Only the driver on the host counts.
#[test]
fn a_step_asks_little_of_the_driver() {
    if !on_gpu() || std::env::var_os("CUDA_ON_HOST_KERNELS").is_none() {
        return;
    }
    // With graphs, the driver runs the recorded launches of a pass with one call.
    let (small, large) = (calls_of_a_step(32, true), calls_of_a_step(64, false));
    assert!((1..=150).contains(&small("launches")), "{} launches", small("launches"));
    assert!((3..=6).contains(&small("graph_launches")), "{} graphs", small("graph_launches"));
    assert_eq!(small("allocations"), 0);
    assert!((1..=3).contains(&small("waits")), "{} waits", small("waits"));
    let launches = large("launches");
    // The generic executor: 5,861 launches and 5,600 allocations for the same step.
    assert!((500..=800).contains(&launches), "{launches} launches");
    assert_eq!(large("allocations"), 0);
    assert!((1..=3).contains(&large("waits")), "{} waits", large("waits"));

    // The number of positive anchors is the same in both sizes; all other bytes grow with the pixels. Seven objects of three
    // classes in an image would add 1.1 MB of class logits and 0.6 MB of box logits.
    let bytes = |of: &dyn Fn(&str) -> u64| of("uploads_bytes") + of("downloads_bytes");
    let (small, large) = (bytes(&small), bytes(&large));
    let of_a_pixel = (large - small) as f64 / f64::from(2 * (64 * 64 - 32 * 32));
    let megabytes = of_a_pixel * f64::from(16 * 640 * 640) / 1e6;
    println!("{launches} launches; {small} and {large} bytes; {megabytes:.1} MB for 16 images of 640 px");
    // The generic executor: 230 MB.
    assert!((20.0..28.0).contains(&megabytes), "{megabytes:.1} MB from {small} and {large} bytes");
}

#[test]
fn graphs_give_the_same_bits() {
    if !on_gpu() {
        return;
    }
    let model = random_model(3, &RandomGraphConfig::default());
    let (graph, h) = (model.spec().graph(), model.h);
    let channels = graph.node(graph.input()).channels();
    let run = |graphs| {
        let executor =
            CudaExecutor::new(graph, &model.checkpoint.weights, device(), ComputePrecision::F32).unwrap();
        let mut executor = executor.with_graphs(graphs);
        let mut seen = Vec::new();
        // Sizes alternate, so memory moves and graphs are recorded again.
        for step in 0..4 {
            let w = model.w * [1, 1, 2, 1][step];
            let images = random_array(step as u64, &[2, channels, h, w]);
            seen.push(executor.forward(Mode::Eval, &images).unwrap());
            let outputs = executor.forward(Mode::Train, &images).unwrap();
            executor.backward(&outputs).unwrap();
            seen.push(outputs);
            executor.update(&UpdateRule { clip_norm: Some(0.1), ..UpdateRule::sgd(1e-3) }).unwrap();
        }
        (seen, executor.read(Buffer::Params).unwrap())
    };
    let (plain, recorded) = (run(false), run(true));
    for (pass, (plain, recorded)) in plain.0.iter().zip(&recorded.0).enumerate() {
        let numbers = |arrays: &[Array]| arrays.iter().flat_map(Array::data).all(|v| v.is_finite());
        assert!(numbers(plain), "pass {pass} diverged");
        assert!(plain == recorded, "pass {pass}");
    }
    assert!(plain.1 == recorded.1);
}
