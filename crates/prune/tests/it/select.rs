//! [`select`]: the ratio counts sets as documented, and every guard holds.

use bonsai_checkpoint::Checkpoint;
use bonsai_graph::{NodeId, Op, Size};
use bonsai_prune::{Coupling, PruneError, PrunePlan, PrunePolicy, Scope, ScoreConfig, apply, score, select};
use bonsai_testkit::{RandomGraphConfig, arb_model, random_weights};
use bonsai_yolov8::{Scale, build};
use proptest::prelude::{ProptestConfig, any, proptest};

use crate::small_model::{conv_bn, small_model};

fn yolov8(scale: Scale) -> Checkpoint {
    let names: Vec<String> = (0..80).map(|i| format!("class{i}")).collect();
    let spec = build(scale, &names).unwrap();
    let weights = random_weights(3, spec.graph());
    Checkpoint::new(spec, weights).unwrap()
}

/// A policy without minimum width and rounding.
fn bare(prune_ratio: f64) -> PrunePolicy {
    PrunePolicy { prune_ratio, min_channels: 0, round_to: None, ..PrunePolicy::default() }
}

fn plan(model: &Checkpoint, policy: &PrunePolicy) -> Result<PrunePlan, PruneError> {
    let coupling = Coupling::from_graph(model.model.graph());
    select(&coupling, &score(&coupling, &model.weights, &ScoreConfig::default())?, policy)
}

fn removed_sets(plan: &PrunePlan, model: &Checkpoint) -> usize {
    bonsai_prune::report(plan, model, Size::square(64)).unwrap().removed_sets
}

/// Known answer: Torch-Pruning 1.6.1 prunes half of every group of `YOLOv8s` (80 classes) from 14.36 GMACs to
/// 3.66 GMACs and 2.81 M parameters, and to 5.50 GMACs and 3.63 M if it excludes the head (by its own
/// counter).
#[test]
fn half_of_every_layer_leaves_what_torch_pruning_leaves() {
    let model = yolov8(Scale::S);
    assert_eq!(counted_by_torch_pruning(&model), 1436);
    for (protect, params, work) in [(vec![], 281, 366), (vec!["model.22.*".to_owned()], 363, 550)] {
        let policy = PrunePolicy { scope: Scope::PerLayer, protect, ..bare(0.5) };
        let pruned = apply(&plan(&model, &policy).unwrap(), &model).unwrap();
        let left = pruned.model.graph().cost(Size::square(640)).unwrap().params;
        assert_eq!((left + 5_000) / 10_000, params, "{left}");
        assert_eq!(counted_by_torch_pruning(&pruned), work);
    }
}

/// Hundredths of GMACs at 640 px by Torch-Pruning's counter. Besides multiply-accumulates it counts biases,
/// two operations for each value of a batch norm, one for each value that is pooled or upsampled, and the DFL
/// as a convolution.
fn counted_by_torch_pruning(model: &Checkpoint) -> u64 {
    let graph = model.model.graph();
    let shapes = graph.shapes(Size::square(640)).unwrap();
    let values =
        |id: NodeId| (shapes[id.index()].channels * shapes[id.index()].h * shapes[id.index()].w) as u64;
    let others = graph.iter().map(|(id, node)| match *node.op() {
        Op::Conv2d { bias, .. } => u64::from(bias) * values(id),
        Op::BatchNorm { .. } => 2 * values(id),
        Op::MaxPool { .. } => values(node.inputs()[0]),
        Op::Upsample { .. } => values(id),
        Op::Input { .. } | Op::Silu | Op::Add | Op::Concat | Op::Slice { .. } => 0,
    });
    let distribution = 8400 * 4 * 16;
    (graph.cost(Size::square(640)).unwrap().macs + others.sum::<u64>() + distribution + 5_000_000)
        / 10_000_000
}

#[test]
fn the_ratio_counts_sets_that_may_be_pruned() {
    let model = yolov8(Scale::N);
    for ratio in [0.0, 0.1, 0.37] {
        let plan = plan(&model, &bare(ratio)).unwrap();
        assert_eq!(removed_sets(&plan, &model), (ratio * 4960.0) as usize);
    }
    assert!(plan(&model, &bare(0.0)).unwrap().is_identity());
}

#[test]
fn lowest_scores_go_first_and_ties_by_position() {
    let mut model = small_model(&(conv_bn("a", "x", 4) + &conv_bn("y", "a", 4)));
    let mut set = |name: &str, gammas: [f32; 4]| {
        model.weights.get_mut(&format!("{name}.weight")).unwrap().data_mut().copy_from_slice(&gammas);
    };
    set("a", [0.5, -0.1, 0.5, 0.9]);
    set("y", [0.5, 0.8, -0.7, 0.05]);
    let kept = |ratio: f64, scope: Scope| {
        let plan = plan(&model, &PrunePolicy { scope, ..bare(ratio) }).unwrap();
        [plan.keep("a.conv").unwrap().to_vec(), plan.keep("y.conv").unwrap().to_vec()]
    };
    assert_eq!(kept(0.25, Scope::Global), [vec![0, 2, 3], vec![0, 1, 2]]);
    assert_eq!(
        kept(0.375, Scope::Global),
        [vec![2, 3], vec![0, 1, 2]],
        "of three gammas of 0.5 the first is removed"
    );
    assert_eq!(kept(0.5, Scope::Global), [vec![3], vec![0, 1, 2]]);
    assert_eq!(kept(1.0, Scope::Global), [vec![3], vec![1]], "one channel per layer stays");
    assert_eq!(kept(0.25, Scope::PerLayer), [vec![0, 2, 3], vec![0, 1, 2]]);
    assert_eq!(kept(0.5, Scope::PerLayer), [vec![2, 3], vec![1, 2]]);
}

#[test]
fn yolov8_keeps_multiples_of_eight_behind_concats_and_slices() {
    let model = yolov8(Scale::S);
    let plan = plan(&model, &PrunePolicy { prune_ratio: 0.4, ..PrunePolicy::default() }).unwrap();
    let pruned = apply(&plan, &model).unwrap();
    for node in pruned.model.graph().nodes().iter().filter(|n| !matches!(n.op(), Op::Input { .. })) {
        assert_eq!(node.channels() % 8, 0, "`{}` has {}", node.name(), node.channels());
        assert!(node.channels() >= 8);
    }
    let removed = removed_sets(&plan, &model);
    assert!((3000..=9344 * 2 / 5).contains(&removed), "{removed}");
}

#[test]
fn protected_layers_stay_whole() {
    let model = yolov8(Scale::N);
    let protect = vec!["model.22.cv2.*".to_owned(), "model.4.cv1.bn".to_owned()];
    let plan = plan(&model, &PrunePolicy { protect, ..bare(0.6) }).unwrap();
    for layer in plan.layers() {
        // The residual stream of `model.4` shares the second half of its first convolution.
        let whole = layer.conv().starts_with("model.22.cv2.")
            || ["model.4.cv1.conv", "model.4.m.0.cv2.conv", "model.4.m.1.cv2.conv"].contains(&layer.conv());
        if whole {
            assert_eq!(layer.keep().len(), layer.channels(), "{}", layer.conv());
        }
    }
    assert!(plan.keep("model.4.cv2.conv").unwrap().len() < 64);
}

#[test]
fn wrong_policies_and_weights_are_refused() {
    let mut model = small_model(&conv_bn("y", "x", 4));
    let error = |model: &Checkpoint, policy: &PrunePolicy| plan(model, policy).unwrap_err().to_string();
    assert_eq!(error(&model, &bare(1.5)), "prune policy: prune_ratio is 1.5, must be in 0..=1");
    let protect = vec!["model.9".to_owned()];
    assert_eq!(
        error(&model, &PrunePolicy { protect, ..bare(0.5) }),
        "no convolution or batch norm matches the protected pattern \"model.9\"; `*` matches any run of \
         characters"
    );
    let other = small_model(&conv_bn("y", "x", 5));
    let coupling = Coupling::from_graph(other.model.graph());
    let scores = score(&coupling, &other.weights, &ScoreConfig::default()).unwrap();
    let mismatch = select(&Coupling::from_graph(model.model.graph()), &scores, &bare(0.5));
    assert!(matches!(mismatch, Err(PruneError::ScoresMismatch { expected: 12, got: 13 })), "{mismatch:?}");
    model.weights.get_mut("y.weight").unwrap().data_mut()[2] = f32::NAN;
    assert_eq!(
        error(&model, &bare(0.5)),
        "`y.weight` is NaN in channel 2: the training has diverged; use an earlier checkpoint"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// For any policy, groups keep their minimum, are multiples, and lose no more than allowed.
    #[test]
    fn guards_hold(
        model in arb_model(RandomGraphConfig { max_channels: 24, ..RandomGraphConfig::default() }),
        ratio in 0.0..=1.0,
        global in any::<bool>(),
        min_channels in 0..10usize,
        round_to in proptest::option::of(1..9usize),
        max_ratio_per_layer in proptest::option::of(0.0..=1.0),
    ) {
        let scope = if global { Scope::Global } else { Scope::PerLayer };
        let policy = PrunePolicy {
            prune_ratio: ratio,
            scope,
            min_channels,
            round_to,
            max_ratio_per_layer,
            ..PrunePolicy::default()
        };
        let coupling = Coupling::from_graph(model.spec().graph());
        let plan = plan(&model.checkpoint, &policy).unwrap();
        apply(&plan, &model.checkpoint).unwrap();
        let kept = crate::zeroing::kept_by_walking(&plan, model.spec().graph());
        for group in coupling.groups() {
            let stays = |set: &&usize| {
                let first = coupling.sets()[**set].members[0];
                kept[first.node.index()].contains(&first.channel)
            };
            let size = group.len();
            let left = group.iter().filter(stays).count();
            assert!(left >= min_channels.max(1).min(size), "{left} of {size}");
            assert!(left == size || left.is_multiple_of(round_to.unwrap_or(1)), "{left} of {size}");
            let loss = (size - left) as f64 / size as f64;
            assert!(loss <= max_ratio_per_layer.unwrap_or(1.0) + 1e-9, "{left} of {size}");
        }
        let removable = coupling.prunable().count() as f64 * ratio;
        let removed = bonsai_prune::report(&plan, &model.checkpoint, Size { height: model.h, width: model.w }).unwrap().removed_sets;
        assert!(removed as f64 <= removable + 1e-6, "{removed} of {removable}");
    }
}
