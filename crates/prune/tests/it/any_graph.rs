//! [`apply_to_graph`] and [`prune_graph`]: networks without a detection head, and agreement with checkpoints.

use bonsai_checkpoint::{Checkpoint, Weights};
use bonsai_graph::{Graph, Size};
use bonsai_prune::{
    BoxError, CostTarget, Coupling, GraphServices, PruneError, PruneOptions, PrunePlan, PrunePolicy,
    PruneServices, ScoreConfig, apply, apply_to_graph, prune, prune_graph,
};
use bonsai_testkit::{
    RandomGraphConfig, Tolerance, assert_arrays_close, random_array, random_model, random_weights,
    reference_forward,
};
use bonsai_yolov8::{Scale, build};

use crate::zeroing::{random_plan, zero_removed_of};

/// Two blocks, the maximum over the map of 8 x 8, and five classes.
fn classifier() -> (Graph, Weights) {
    let text = "x = input() channels=3
        a = conv2d(x) out_channels=12 kernel=3 stride=2 padding=1 bias=false
        a.bn = batch_norm(a) eps=0.001 momentum=0.03
        a.act = silu(a.bn)
        b = conv2d(a.act) out_channels=16 kernel=3 stride=1 padding=1 bias=false
        b.bn = batch_norm(b) eps=0.001 momentum=0.03
        b.act = silu(b.bn)
        pool = max_pool(b.act) kernel=8 stride=8 padding=0
        classes = conv2d(pool) out_channels=5 kernel=1 stride=1 padding=0 bias=true
        outputs = classes";
    let graph: Graph = text.parse().unwrap();
    let weights = random_weights(3, &graph);
    (graph, weights)
}

fn config(target: CostTarget) -> PruneOptions {
    let policy =
        PrunePolicy { target: Some(target), min_channels: 2, round_to: None, ..PrunePolicy::default() };
    PruneOptions {
        score: ScoreConfig::default(),
        policy,
        compensate: true,
        reconstruct: 0,
        image: Size::square(16),
    }
}

#[test]
fn the_network_of_a_checkpoint_is_pruned_as_the_checkpoint_is() {
    for seed in 0..20 {
        let model = random_model(seed, &RandomGraphConfig::default()).checkpoint;
        let graph = model.model.graph();
        let plan = random_plan(&Coupling::from_graph(graph), seed);
        let expected = apply(&plan, &model).unwrap();
        let (pruned, weights) = apply_to_graph(&plan, graph, &model.weights).unwrap();
        assert_eq!(&pruned, expected.model.graph(), "{seed}");
        assert_eq!(weights, expected.weights, "{seed}");
    }
}

#[test]
fn a_detector_is_pruned_to_a_target_as_its_checkpoint_is() {
    let spec = build(Scale::N, &["leaf".to_owned()]).unwrap();
    let weights = random_weights(1, spec.graph());
    let model = Checkpoint::new(spec, weights).unwrap();
    let config = PruneOptions { image: Size::square(64), ..config(CostTarget::Macs(0.6)) };
    let expected = prune(&model, &config, PruneServices::default()).unwrap();
    let pruned = prune_graph(model.model.graph(), &model.weights, &config, GraphServices::default()).unwrap();
    assert_eq!(&pruned.graph, expected.checkpoint.model.graph());
    assert_eq!(pruned.weights, expected.checkpoint.weights);
    assert_eq!((pruned.plan, pruned.report), (expected.plan, expected.report));
}

#[test]
fn a_classifier_computes_what_it_does_with_the_removed_scales_at_zero() {
    let (graph, weights) = classifier();
    let coupling = Coupling::from_graph(&graph);
    assert_eq!(coupling.prunable().count(), 12 + 16, "the classes and the image stay");
    let plan = random_plan(&coupling, 5);
    assert!(!plan.is_identity());
    let (pruned, remaining) = apply_to_graph(&plan, &graph, &weights).unwrap();
    let zeroed = zero_removed_of(&plan, &graph, &weights);
    let images = random_array(7, &[2, 3, 16, 16]);
    for train in [false, true] {
        let actual = reference_forward(&pruned, &remaining, &images, train);
        let expected = reference_forward(&graph, &zeroed, &images, train);
        assert_eq!(actual[0].shape(), [2, 5, 1, 1]);
        assert_arrays_close(&actual[0], &expected[0], Tolerance::Tight, "scores of the classes");
    }
}

#[test]
fn a_classifier_reaches_targets_for_parameters_and_latency() {
    let (graph, weights) = classifier();
    let half =
        prune_graph(&graph, &weights, &config(CostTarget::Params(0.5)), GraphServices::default()).unwrap();
    assert!(2 * half.report.after.params <= half.report.before.params);
    assert_eq!(half.report.after, half.graph.cost(Size::square(16)).unwrap());
    assert!(half.report.selection.is_some() && half.report.compensation.is_some());

    let by_latency = config(CostTarget::Latency(0.5));
    let missing = prune_graph(&graph, &weights, &by_latency, GraphServices::default()).unwrap_err();
    assert!(matches!(missing, PruneError::NoLatency), "{missing}");
    let mut measure = |plan: &PrunePlan| -> Result<f64, BoxError> {
        Ok(apply_to_graph(plan, &graph, &weights)?.0.cost(Size::square(16))?.macs as f64)
    };
    let services = GraphServices { latency: Some(&mut measure), ..GraphServices::default() };
    let faster = prune_graph(&graph, &weights, &by_latency, services).unwrap();
    assert!(2 * faster.report.after.macs <= faster.report.before.macs);
}

#[test]
fn a_plan_or_weights_of_another_network_are_refused() {
    let (graph, weights) = classifier();
    let other = random_model(1, &RandomGraphConfig::default()).checkpoint;
    let plan = PrunePlan::identity(other.model.graph());
    let error = apply_to_graph(&plan, &graph, &weights).unwrap_err();
    assert!(matches!(error, PruneError::UnknownLayer { .. }), "{error}");
    let plan = PrunePlan::identity(&graph);
    let error = apply_to_graph(&plan, &graph, &other.weights).unwrap_err();
    assert!(matches!(error, PruneError::Checkpoint(_)), "{error}");
}
