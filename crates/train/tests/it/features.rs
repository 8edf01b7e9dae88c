//! A teacher's gradients for outputs that are not the head's.

use bonsai_checkpoint::{Array, Checkpoint};
use bonsai_exec::{ExecutorKind, ExecutorOptions, build_executor};
use bonsai_train::{
    Distilled, Evaluation, NoObserver, Penalty, PenaltyPlan, Services, Student, TrainConfig, train,
};

use crate::noise::{KINDS, Noise, config, start};

/// Trains one epoch without clipping, with the gradient `value` at every feature; `None` returns no
/// gradients.
fn trained(kind: ExecutorKind, value: Option<f32>) -> Checkpoint {
    let from = start();
    let graph = from.model.graph().with_more_outputs(&from.model.head_inputs()).unwrap();
    let options = ExecutorOptions { kind: Some(kind), threads: 1, ..ExecutorOptions::default() };
    let mut executor = build_executor(&graph, &from.weights, &options).unwrap();
    let mut distill = |student: &Student<'_>| {
        assert_eq!(student.features.len(), from.model.head().strides.len());
        for (feature, id) in student.features.iter().zip(from.model.head_inputs()) {
            assert_eq!(feature.shape()[1], from.model.graph().node(id).channels());
        }
        let gradient =
            |feature: &&Array| Array::new(feature.shape(), vec![value.unwrap(); feature.data().len()]);
        let features =
            if value.is_some() { student.features.iter().map(gradient).collect() } else { Vec::new() };
        Ok(Distilled { loss: 1.0, gradients: Vec::new(), features })
    };
    let services = Services {
        executor: &mut *executor,
        batches: &mut Noise,
        evaluate: &mut |_| Ok(Evaluation::default()),
        penalty: PenaltyPlan::ByEpoch(&|_| Penalty::default()),
        distill: Some(&mut distill),
        codes: None,
        ranks: None,
        class_weights: None,
        observer: &mut NoObserver,
    };
    // One step: three batches of four.
    let config = TrainConfig { nbs: 12, warmup_epochs: 0.0, clip_norm: 1e6, ..config(1) };
    let trained = train(&from, &config, services).unwrap();
    assert_eq!(trained.last.train.as_ref().unwrap().progress.updates, 1);
    assert_eq!(trained.history[0].distill_loss, Some(0.25));
    trained.last
}

#[test]
fn they_reach_what_comes_before_the_head_and_nothing_behind() {
    for kind in KINDS {
        let none = trained(kind, None);
        let zero = trained(kind, Some(0.0));
        let some = trained(kind, Some(0.1));
        assert!(none == zero, "a missing gradient must count as zero");
        let from = start();
        let graph = from.model.graph();
        let inputs = from.model.head_inputs();
        let mut before = 0;
        for spec in graph.params().iter().filter(|spec| spec.role.is_trained()) {
            let is_before =
                inputs.iter().any(|input| graph.common_ancestor(spec.node, *input) == Some(spec.node));
            let [a, b] = [&zero, &some].map(|checkpoint| checkpoint.weights.require(&spec.name).unwrap());
            assert_eq!(a != b, is_before, "{kind}, {}", spec.name);
            before += usize::from(is_before);
        }
        assert!(before > 0);
    }
}
