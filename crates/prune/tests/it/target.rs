//! Targets are reached with the smallest removal; errors for unreachable targets state both numbers.

use bonsai_checkpoint::Checkpoint;
use bonsai_graph::Size;
use bonsai_prune::{
    Candidates, CostTarget, Coupling, Preset, PruneError, PrunePlan, PrunePolicy, Scope, ScoreConfig,
    Selection, apply, choose_measured, score, select,
};
use bonsai_testkit::{RandomGraphConfig, random_model, random_weights};
use bonsai_yolov8::{Scale, build};

use crate::presets::chosen;
use crate::small_model::{conv_bn, small_model};

fn yolov8n() -> Checkpoint {
    let spec = build(Scale::N, &["a".to_owned(), "b".to_owned()]).unwrap();
    let weights = random_weights(3, spec.graph());
    Checkpoint::new(spec, weights).unwrap()
}

fn to(target: CostTarget) -> PrunePolicy {
    PrunePolicy { target: Some(target), ..PrunePolicy::default() }
}

/// Fractions of parameters and of MACs that remain, at 64 px.
fn shares(plan: &PrunePlan, model: &Checkpoint) -> [f64; 2] {
    let before = model.model.graph().cost(Size::square(64)).unwrap();
    let after = apply(plan, model).unwrap().model.graph().cost(Size::square(64)).unwrap();
    [after.params as f64 / before.params as f64, after.macs as f64 / before.macs as f64]
}

#[test]
fn yolov8n_reaches_shares_closely_and_from_below() {
    let model = yolov8n();
    for preset in Preset::ALL {
        for (target, which) in [(CostTarget::Params(0.6), 0), (CostTarget::Macs(0.7), 1)] {
            let selection = chosen(&model, &PrunePolicy { preset, ..to(target) }).unwrap();
            let reached = selection.summary.target.unwrap().reached;
            assert_eq!(shares(&selection.plan, &model)[which], reached);
            assert!(reached <= target.limit() && reached > target.limit() - 0.02, "{preset} {reached}");
            // The ratio found for the target gives the same plan.
            let prune_ratio = selection.summary.prune_ratio;
            let again = chosen(&model, &PrunePolicy { preset, prune_ratio, ..PrunePolicy::default() });
            assert_eq!(again.unwrap().plan, selection.plan);
        }
    }
}

/// Compares with an exhaustive search over every count of removed sets.
#[test]
fn no_smaller_removal_reaches_the_target() {
    for seed in 0..40 {
        let model =
            random_model(seed, &RandomGraphConfig { max_channels: 24, ..RandomGraphConfig::default() });
        let (model, image) = (&model.checkpoint, Size { height: model.h, width: model.w });
        let coupling = Coupling::from_graph(model.model.graph());
        let scores = score(&coupling, &model.weights, &ScoreConfig::default()).unwrap();
        let scope = if seed % 2 == 0 { Scope::Global } else { Scope::PerLayer };
        let bare = PrunePolicy { scope, min_channels: 2, round_to: Some(3), ..PrunePolicy::default() };
        let candidates = Candidates { coupling: &coupling, scores: &scores, weights: &model.weights };
        let cost =
            |plan: &PrunePlan| apply(plan, model).unwrap().model.graph().cost(image).unwrap().params as f64;
        let before = cost(&PrunePlan::identity(model.model.graph()));
        // Every ratio at which another set is removed, and the cost at it.
        let sizes = match scope {
            Scope::Global => vec![coupling.prunable().count()],
            Scope::PerLayer => coupling.groups().iter().map(Vec::len).collect(),
        };
        let mut ratios: Vec<f64> =
            sizes.iter().flat_map(|n| (0..=*n).map(|k| k as f64 / *n as f64)).collect();
        ratios.sort_by(f64::total_cmp);
        ratios.dedup();
        let at =
            |prune_ratio| select(&coupling, &scores, &PrunePolicy { prune_ratio, ..bare.clone() }).unwrap();
        let plans: Vec<(PrunePlan, f64)> =
            ratios.into_iter().map(at).map(|plan| (plan.clone(), cost(&plan))).collect();
        for share in [0.95, 0.8, 0.5] {
            let policy = PrunePolicy { target: Some(CostTarget::Params(share)), ..bare.clone() };
            let found = bonsai_prune::choose(&candidates, &policy, image);
            let first = plans.iter().find(|(_, cost)| *cost <= share * before).map(|(plan, _)| plan);
            match (found, first) {
                (Ok(Selection { plan, .. }), Some(expected)) => assert!(plan == *expected, "seed {seed}"),
                (Err(PruneError::UnreachableTarget { .. }), None) => {}
                (found, first) => panic!("seed {seed}: {found:?}, exhaustive search: {first:?}"),
            }
        }
    }
}

#[test]
fn unreachable_targets_tell_both_numbers_and_the_guards() {
    let model = small_model(&(conv_bn("a", "x", 16) + &conv_bn("y", "a", 16)));
    let policy = PrunePolicy { protect: vec!["y".to_owned()], ..to(CostTarget::Macs(0.05)) };
    // 16 * 27 + 16 * 144 + 80 MACs before; `a` may shrink to 8 channels.
    assert_eq!(
        chosen(&model, &policy).unwrap_err().to_string(),
        "target 5.0 % of the MACs cannot be reached: with every channel removed that the guards allow, 51.4 % \
         of the MACs remain (preset group; at least 8 channels per group; rounded up to multiples of 8; \
         protected: y); raise the target or relax the guards"
    );
    for bad in [CostTarget::Params(1.5), CostTarget::Macs(f64::NAN), CostTarget::LatencyMs(0.0)] {
        assert!(matches!(chosen(&model, &to(bad)), Err(PruneError::Policy { field: "target", .. })));
    }
    assert!(matches!(chosen(&model, &to(CostTarget::Latency(0.5))), Err(PruneError::Policy { .. })));
    let coupling = Coupling::from_graph(model.model.graph());
    let scores = score(&coupling, &model.weights, &ScoreConfig::default()).unwrap();
    let refused = select(&coupling, &scores, &to(CostTarget::Macs(0.5))).unwrap_err().to_string();
    assert_eq!(refused, "prune policy: target is Macs(0.5), must be left out here: use `choose`");
}

#[test]
fn a_ratio_that_would_empty_a_layer_is_clamped_or_refused() {
    let mut model = small_model(&(conv_bn("a", "x", 4) + &conv_bn("y", "a", 4)));
    model.weights.get_mut("a.weight").unwrap().data_mut().copy_from_slice(&[0.1, 0.2, 0.3, -0.4]);
    model.weights.get_mut("y.weight").unwrap().data_mut().copy_from_slice(&[0.15, 0.5, 0.6, 0.7]);
    let policy = PrunePolicy { prune_ratio: 0.75, min_channels: 0, round_to: None, ..PrunePolicy::default() };
    let clamped = chosen(&model, &policy).unwrap();
    let limit = clamped.summary.safe_limit.clone().unwrap();
    assert_eq!((limit.ratio, limit.conv.as_str()), (0.5, "a.conv"));
    assert_eq!(clamped.plan.keep("a.conv"), Some(&[3][..]));
    let note = &clamped.summary.clamped[0];
    assert_eq!((note.conv.as_str(), note.channels, note.asked, note.lost), ("a.conv", 4, 4, 3));
    let strict = PrunePolicy { clamp: false, ..policy };
    assert_eq!(
        chosen(&model, &strict).unwrap_err().to_string(),
        "prune ratio 0.7500 would remove all 4 channels of `a.conv`; the largest safe ratio is 0.5000: lower \
         prune_ratio, or set clamp = true so that such layers keep some channels"
    );
    let safe = PrunePolicy { prune_ratio: limit.ratio, ..strict.clone() };
    assert!(chosen(&model, &safe).unwrap().summary.clamped.is_empty());
    // The search for a target stays within the safe ratios.
    let target = PrunePolicy { target: Some(CostTarget::Macs(0.01)), ..strict };
    let error = chosen(&model, &target).unwrap_err().to_string();
    assert!(error.contains("the ratio may not empty a group"), "{error}");
    let per_layer = PrunePolicy { scope: Scope::PerLayer, target: None, prune_ratio: 1.0, ..target };
    assert!(matches!(chosen(&model, &per_layer), Err(PruneError::EmptyingRatio { safe: 0.75, .. })));
}

#[test]
fn latency_is_measured_few_times_and_never_exceeded() {
    let model = yolov8n();
    let coupling = Coupling::from_graph(model.model.graph());
    let scores = score(&coupling, &model.weights, &ScoreConfig::default()).unwrap();
    let candidates = Candidates { coupling: &coupling, scores: &scores, weights: &model.weights };
    for preset in Preset::ALL {
        for target in [CostTarget::Latency(0.8), CostTarget::LatencyMs(4.0)] {
            let mut measured = 0;
            let policy = PrunePolicy { preset, ..to(target) };
            let selection = choose_measured(&candidates, &policy, Size::square(64), &mut |plan| {
                measured += 1;
                // 1 ms that pruning does not change, and 4 ms in proportion to the MACs.
                Ok(1.0 + 4.0 * shares(plan, &model)[1])
            });
            let reached = selection.unwrap().summary.target.unwrap().reached;
            assert!(measured <= 8, "{preset} {measured}");
            assert!(reached <= target.limit() && reached > 0.85 * target.limit(), "{preset} {reached}");
        }
    }
    let policy = to(CostTarget::Latency(0.5));
    let error =
        choose_measured(&candidates, &policy, Size::square(64), &mut |_| Err("no clock".into())).unwrap_err();
    assert_eq!(error.to_string(), "measuring the latency failed");
    let error = choose_measured(&candidates, &policy, Size::square(64), &mut |_| Ok(2.0)).unwrap_err();
    assert!(error.to_string().starts_with("target 50.0 % of the latency cannot be reached"), "{error}");
}
