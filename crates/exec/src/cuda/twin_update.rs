//! Whole steps on the GPU against those of the CPU executor: the conversion of arrays, and the optimiser with every rule.
#![allow(clippy::unwrap_used, reason = "a test may stop")]

use bonsai_checkpoint::Weights;
use bonsai_graph::Graph;
use bonsai_testkit::{random_array, random_weights};

use super::executor::CudaExecutor;
use crate::{
    Buffer, ComputePrecision, CpuExecutor, CpuOptions, Executor, L1Method, L1Placement, Method, Mode,
    PenaltyMap, UpdateRule,
};

/// Sums of different order in three steps.
const TOLERANCE: f32 = 2e-4;

/// Enough kernels that several blocks sum their squares.
const NETWORK: &str = "
    images = input() channels=3
    a = conv2d(images) out_channels=40 kernel=3 stride=2 padding=1 bias=false
    a.bn = batch_norm(a) eps=0.001 momentum=0.03
    a.act = silu(a.bn)
    b = conv2d(a.act) out_channels=24 kernel=3 stride=1 padding=1 bias=false
    b.bn = batch_norm(b) eps=0.001 momentum=0.03
    b.act = silu(b.bn)
    c = conv2d(b.act) out_channels=5 kernel=1 stride=1 padding=0 bias=true
    outputs = c";

/// What three steps leave: the outputs of the last one, and all buffers.
fn run(executor: &mut dyn Executor, rule: &UpdateRule) -> (Vec<f32>, Vec<Weights>) {
    executor.freeze(&["b.bn.bias".to_owned()]).unwrap();
    let mut map = PenaltyMap::default();
    map.insert("a.bn.weight", (0..40).map(|i| (i % 3 != 0).then_some(i / 4)).collect());
    executor.penalise(&map).unwrap();
    let mut last = Vec::new();
    let mut rule = *rule;
    for step in 0..3 {
        if let Method::AdamW { step: number, .. } = &mut rule.method {
            *number = step + 1;
        }
        let mut images = random_array(step, &[2, 3, 13, 9]);
        // The last images have 8 bits, which the GPU receives as bytes.
        if step == 2 {
            images.data_mut().iter_mut().for_each(|v| *v = (v.abs() * 255.0).min(255.0).round() / 255.0);
        }
        let outputs = executor.forward(Mode::Train, &images).unwrap();
        last = outputs[0].data().to_vec();
        executor.backward(&outputs).unwrap();
        assert!(executor.update(&rule).unwrap().gradient_norm > 0.0);
    }
    let buffers = [Buffer::Params, Buffer::Momentum, Buffer::SecondMoment, Buffer::Ema, Buffer::Gradients];
    (last, buffers.map(|buffer| executor.read(buffer).unwrap()).to_vec())
}

#[test]
fn every_update_equals_the_cpu() {
    let Ok(device) = std::env::var("BONSAI_TEST_DEVICE") else { return };
    let graph: Graph = NETWORK.parse().unwrap();
    let weights = random_weights(3, &graph);
    let mut sgd = UpdateRule {
        momentum: 0.9,
        nesterov: true,
        ema_decay: 0.7,
        clip_norm: Some(0.5),
        ..UpdateRule::sgd(0.01)
    };
    sgd.conv_weight.weight_decay = 0.1;
    sgd.bn_gamma.l1 = 0.2;
    sgd.bn_beta.l1 = 0.1;
    let adam = Method::AdamW { beta2: 0.99, eps: 1e-6, step: 1 };
    let rules = [
        UpdateRule { l1_placement: L1Placement::BeforeClip, ..sgd },
        UpdateRule { l1_placement: L1Placement::AfterClip, ..sgd },
        UpdateRule { l1_method: L1Method::GroupLasso, nesterov: false, ..sgd },
        UpdateRule { l1_method: L1Method::Proximal, clip_norm: None, ..sgd },
        UpdateRule { method: adam, ..sgd },
    ];
    for (number, rule) in rules.iter().enumerate() {
        let mut gpu =
            CudaExecutor::new(&graph, &weights, device.parse().unwrap(), ComputePrecision::F32).unwrap();
        let mut cpu = CpuExecutor::new(&graph, &weights, CpuOptions::default()).unwrap();
        let (found, expected) = (run(&mut gpu, rule), run(&mut cpu, rule));
        close(&found.0, &expected.0, &format!("outputs, rule {number}"));
        for (buffer, (found, expected)) in found.1.iter().zip(&expected.1).enumerate() {
            for (name, expected) in expected.iter() {
                let found = found.get(name).unwrap();
                close(found.data(), expected.data(), &format!("{name} of buffer {buffer}, rule {number}"));
            }
        }
    }
}

#[track_caller]
fn close(found: &[f32], expected: &[f32], what: &str) {
    let largest = expected.iter().fold(0.0f32, |most, v| most.max(v.abs()));
    for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert!(
            (found - expected).abs() <= TOLERANCE * largest,
            "{what}[{i}]: {found}, on the CPU {expected}"
        );
    }
}
