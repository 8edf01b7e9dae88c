//! Tests of the CUDA executor alone, on the GPU that the environment variable `BONSAI_TEST_DEVICE` names.

use std::process::Command;

use bonsai_exec::{Buffer, ComputePrecision, CudaExecutor, Executor, L1Placement, Mode, UpdateRule};
use bonsai_testkit::{random_array, random_weights};

use crate::engines::{Engine, device, on_gpu};
use crate::seen::Seen;

fn yolov8n() -> bonsai_graph::ModelSpec {
    let names: Vec<String> = (0..3).map(|i| format!("class{i}")).collect();
    bonsai_yolov8::build(bonsai_yolov8::Scale::N, &names).unwrap()
}

/// Tensor cores round the operands of products to 10 bits of fraction.
#[test]
fn tf32_is_close_to_f32_and_not_equal() {
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
    let [f32s, tf32s] = ComputePrecision::ALL.map(run);
    let mut worst = 0.0f32;
    for (exact, rounded) in f32s.iter().zip(&tf32s) {
        let largest = exact.data().iter().fold(0.0f32, |most, v| most.max(v.abs()));
        let pairs = exact.data().iter().zip(rounded.data());
        worst = pairs.map(|(a, b)| (a - b).abs() / largest).fold(worst, f32::max);
    }
    // Rounding errors of 2^-11 in 60 layers in a row.
    assert!(worst > 0.0 && worst < 2e-2, "{worst}");
}

#[test]
fn the_same_start_gives_the_same_bits() {
    if !on_gpu() {
        return;
    }
    let model = yolov8n();
    let weights = random_weights(1, model.graph());
    let images = random_array(2, &[2, 3, 32, 32]);
    let run =
        || Seen::new(&mut *Engine::Cuda(ComputePrecision::Tf32).start(model.graph(), &weights), &images, &[]);
    assert!(run() == run());
}

/// Names the number of steps of a child process.
const STEPS: &str = "BONSAI_TEST_STEPS";

/// Trains in a child process of [`a_step_asks_little_of_the_driver`].
#[test]
fn steps_of_a_child_process() {
    let Ok(steps) = std::env::var(STEPS) else { return };
    let model = yolov8n();
    let weights = random_weights(1, model.graph());
    let images = random_array(2, &[2, 3, 32, 32]);
    let mut executor = CudaExecutor::new(model.graph(), &weights, device(), ComputePrecision::F32).unwrap();
    let mut rule =
        UpdateRule { momentum: 0.9, clip_norm: Some(10.0), ema_decay: 0.5, ..UpdateRule::sgd(1e-4) };
    rule.l1_placement = L1Placement::AfterClip;
    rule.bn_gamma.l1 = 1e-3;
    for _ in 0..steps.parse().unwrap() {
        let outputs = executor.forward(Mode::Train, &images).unwrap();
        executor.backward(&outputs).unwrap();
        executor.update(&rule).unwrap();
    }
    assert!(executor.read(Buffer::Params).is_ok());
}

/// Counts what a step asks of the driver, as the difference between two trainings. Only the driver on the host counts.
#[test]
fn a_step_asks_little_of_the_driver() {
    if !on_gpu() || std::env::var_os("CUDA_ON_HOST_KERNELS").is_none() {
        return;
    }
    let folder = std::env::temp_dir().join(format!("bonsai-counts-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let count = |steps: u64| -> serde_json::Value {
        let report = folder.join(format!("{steps}.json"));
        let run = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "cuda::steps_of_a_child_process"])
            .env(STEPS, steps.to_string())
            .env("CUDA_ON_HOST_REPORT", &report)
            .output()
            .unwrap();
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stdout));
        serde_json::from_str(&std::fs::read_to_string(report).unwrap()).unwrap()
    };
    let (few, many) = (count(2), count(5));
    std::fs::remove_dir_all(&folder).unwrap();
    let of = |name: &str| {
        let calls = |all: &serde_json::Value| all["calls"][name].as_u64().unwrap_or(0);
        (calls(&many) - calls(&few)) / 3
    };
    // The generic executor: 5,861 launches and 5,600 allocations for the same step.
    assert!((500..=800).contains(&of("launches")), "{} launches in {many}", of("launches"));
    assert_eq!(of("allocations"), 0, "{many}");
    assert!((1..=3).contains(&of("waits")), "{} waits in {many}", of("waits"));
}
