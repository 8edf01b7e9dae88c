//! [`recalibrate`]: running statistics become the averages of the batches, and nothing else changes.

use bonsai_checkpoint::{Array, Checkpoint, Weights};
use bonsai_graph::{Op, ParamRole};
use bonsai_prune::{PruneError, recalibrate};
use bonsai_testkit::{random_array, reference_wires};

use crate::small_model::{conv_bn, small_model};

/// A training forward pass as an executor does it: each batch norm's statistics move by its momentum.
fn forward(model: &Checkpoint, images: &Array) -> Weights {
    let graph = model.model.graph();
    let wires = reference_wires(graph, &model.weights, images, true);
    let mut weights = model.weights.clone();
    for (id, node) in graph.iter() {
        let Op::BatchNorm { momentum, .. } = *node.op() else { continue };
        let input = &wires[node.inputs()[0].index()];
        let [n, channels, h, w] = input.shape;
        for c in 0..channels {
            let values = |i: usize| &input.data[(i * channels + c) * h * w..][..h * w];
            let mean = (0..n).flat_map(values).sum::<f64>() / (n * h * w) as f64;
            let squares = (0..n).flat_map(values).map(|v| (v - mean) * (v - mean)).sum::<f64>();
            let mut moved = |role: ParamRole, value: f64| {
                let name = format!("{}.{}", graph.node(id).name(), role.suffix());
                let old = &mut weights.get_mut(&name).unwrap().data_mut()[c];
                *old = (f64::from(1.0 - momentum) * f64::from(*old) + f64::from(momentum) * value) as f32;
            };
            moved(ParamRole::BnMean, mean);
            moved(ParamRole::BnVar, squares / (n * h * w - 1) as f64);
        }
    }
    weights
}

#[test]
fn statistics_are_those_of_the_batches() {
    let model = small_model(&(conv_bn("a", "x", 3) + "s = silu(a)\n" + &conv_bn("y", "s", 2)));
    let batch = |i: usize| random_array(i as u64, &[2, 3, 5, 4]);
    let mut seen = Vec::new();
    let fresh = recalibrate(&model, 3, &mut |network, i| {
        seen.push(i);
        Ok(forward(network, &batch(i)))
    })
    .unwrap();
    assert_eq!(seen, [0, 1, 2]);
    assert_eq!(fresh.model, model.model, "the momentum must be the original one");
    // The input of the first batch norm does not depend on statistics, so the test averages it by hand.
    let mut expected = [0.0f64; 3];
    for i in 0..3 {
        let conv = model.model.graph().find("a.conv").unwrap();
        let wires = reference_wires(model.model.graph(), &model.weights, &batch(i), true);
        let wire = &wires[conv.index()];
        for (c, e) in expected.iter_mut().enumerate() {
            let plane = |n: usize| wire.data[(n * 3 + c) * 20..][..20].iter().sum::<f64>();
            *e += (plane(0) + plane(1)) / 40.0 / 3.0;
        }
    }
    for (actual, expected) in fresh.weights.get("a.running_mean").unwrap().data().iter().zip(expected) {
        assert!((f64::from(*actual) - expected).abs() < 1e-7, "{actual} {expected}");
    }
    for spec in model.model.graph().params() {
        let same = fresh.weights.get(&spec.name) == model.weights.get(&spec.name);
        assert_eq!(same, !matches!(spec.role, ParamRole::BnMean | ParamRole::BnVar), "{}", spec.name);
    }
}

#[test]
fn failures_name_the_batch_and_the_parameter() {
    let model = small_model(&conv_bn("y", "x", 2));
    let none = recalibrate(&model, 0, &mut |m, _| Ok(m.weights.clone())).unwrap_err();
    assert_eq!(none.to_string(), "prune policy: recalibration batches is 0, must be at least 1");
    let failed = recalibrate(&model, 2, &mut |m, i| match i {
        0 => Ok(m.weights.clone()),
        _ => Err("no image".into()),
    });
    assert_eq!(failed.unwrap_err().to_string(), "recalibration batch 1 failed");
    let missing = recalibrate(&model, 1, &mut |_, _| Ok(Weights::new()));
    assert!(matches!(missing, Err(PruneError::Checkpoint(_))));
    let diverged = recalibrate(&model, 1, &mut |m, _| {
        let mut weights = m.weights.clone();
        weights.insert("y.running_var", Array::new(&[2], vec![1.0, f32::INFINITY]));
        Ok(weights)
    });
    assert!(matches!(diverged, Err(PruneError::NotFinite { channel: 1, .. })), "{diverged:?}");
}
