//! The pruned network computes what the original computes when gamma and beta of the removed channels are 0.

use bonsai_checkpoint::{Array, Checkpoint};
use bonsai_graph::Size;
use bonsai_prune::{Coupling, PrunePlan, apply};
use bonsai_testkit::{
    RandomGraphConfig, Tolerance, arb_model, assert_arrays_close, random_array, random_model, random_weights,
    reference_forward,
};
use bonsai_yolov8::{Scale, build};
use proptest::prelude::{ProptestConfig, any, proptest};

use crate::zeroing::{random_plan, zero_removed};

fn outputs(model: &Checkpoint, images: &Array, train: bool) -> Vec<Array> {
    reference_forward(model.model.graph(), &model.weights, images, train)
}

/// The contract is 1e-4. The reference runs in `f64`, so only the final rounding to `f32` may differ.
fn check_law(model: &Checkpoint, plan: &PrunePlan, images: &Array) {
    let pruned = apply(plan, model).unwrap();
    let zeroed = zero_removed(plan, model);
    for train in [false, true] {
        let actual = outputs(&pruned, images, train);
        let expected = outputs(&zeroed, images, train);
        for (i, (actual, expected)) in actual.iter().zip(&expected).enumerate() {
            assert_arrays_close(actual, expected, Tolerance::Tight, &format!("output {i}, train {train}"));
        }
    }
}

fn thousand_cases() -> ProptestConfig {
    ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(thousand_cases())]

    #[test]
    fn pruning_equals_zeroing(model in arb_model(RandomGraphConfig::default()), seed in any::<u64>()) {
        let plan = random_plan(&Coupling::from_graph(model.spec().graph()), seed);
        check_law(&model.checkpoint, &plan, &random_array(seed, &[2, 3, model.h, model.w]));
        let before = model.spec().graph();
        let after = apply(&plan, &model.checkpoint).unwrap();
        let before = before.cost(Size { height: model.h, width: model.w });
        let after = after.model.graph().cost(Size { height: model.h, width: model.w });
        let before = before.unwrap();
        let after = after.unwrap();
        assert!(after.params <= before.params && after.macs <= before.macs, "{before:?} {after:?}");
    }

    #[test]
    fn two_prunings_are_the_composed_one(
        model in arb_model(RandomGraphConfig::default()),
        seeds in any::<[u64; 2]>(),
    ) {
        let first = random_plan(&Coupling::from_graph(model.spec().graph()), seeds[0]);
        let once = apply(&first, &model.checkpoint).unwrap();
        // A group that is left alone becomes an ordinary convolution, whose channels are removed one by one.
        // A plan for the original groups cannot express that.
        let pairs = || model.spec().graph().nodes().iter().zip(once.model.graph().nodes());
        if pairs().any(|(before, after)| before.op().is_grouped() && !after.op().is_grouped()) {
            return Ok(());
        }
        let second = random_plan(&Coupling::from_graph(once.model.graph()), seeds[1]);
        let twice = apply(&second, &once).unwrap();
        assert_eq!(apply(&first.then(&second).unwrap(), &model.checkpoint).unwrap(), twice);
    }

    #[test]
    fn the_identity_plan_changes_nothing(model in arb_model(RandomGraphConfig::default())) {
        let plan = PrunePlan::identity(model.spec().graph());
        assert!(plan.is_identity());
        assert_eq!(apply(&plan, &model.checkpoint).unwrap(), model.checkpoint);
    }

    #[test]
    fn saving_and_loading_changes_nothing(
        model in arb_model(RandomGraphConfig::default()),
        seed in any::<u64>(),
    ) {
        let plan = random_plan(&Coupling::from_graph(model.spec().graph()), seed);
        let loaded = PrunePlan::from_json(&plan.to_json().unwrap()).unwrap();
        assert_eq!(loaded, plan);
        let pruned = apply(&loaded, &model.checkpoint).unwrap();
        assert_eq!(Checkpoint::from_bytes(&pruned.to_bytes().unwrap()).unwrap(), pruned);
    }
}

/// The law would hold for a pruner that removes nothing; this test shows that channels are removed and
/// matter.
#[test]
fn the_law_is_not_empty() {
    let mut removing = 0;
    let mut changing = 0;
    for seed in 0..100 {
        let model = random_model(seed, &RandomGraphConfig::default());
        let plan = random_plan(&Coupling::from_graph(model.spec().graph()), seed);
        let pruned = apply(&plan, &model.checkpoint).unwrap();
        let images = random_array(seed, &[1, 3, model.h, model.w]);
        removing += usize::from(!plan.is_identity());
        changing +=
            usize::from(outputs(&pruned, &images, false) != outputs(&model.checkpoint, &images, false));
    }
    assert!(removing > 90 && changing > 80, "{removing} remove, {changing} change");
}

/// Two classes and two images; a small side keeps the largest network within seconds.
fn check_scale(scale: Scale, side: usize) {
    let spec = build(scale, &["a".to_owned(), "b".to_owned()]).unwrap();
    let weights = random_weights(5, spec.graph());
    let model = Checkpoint::new(spec, weights).unwrap();
    let plan = random_plan(&Coupling::from_graph(model.model.graph()), 6);
    check_law(&model, &plan, &random_array(7, &[2, 3, side, side]));
}

/// Checks files that `fixtures/checkpoint/make_pt.py` made, including depthwise branches.
#[test]
fn imported_networks_obey_the_law() {
    let Some(folder) = std::env::var_os("BONSAI_PT_DIR") else {
        eprintln!(
            "not checked: set BONSAI_PT_DIR to a folder that fixtures/checkpoint/make_pt.py has filled"
        );
        return;
    };
    let mut checked = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let is_whole = path.with_extension("safetensors").exists();
        let is_trained = path.file_name().unwrap().to_string_lossy().starts_with("trained-");
        if !is_whole || !is_trained || path.extension().is_none_or(|extension| extension != "pt") {
            continue;
        }
        let model = Checkpoint::import(&path).unwrap();
        let plan = random_plan(&Coupling::from_graph(model.model.graph()), 6);
        assert!(!plan.is_identity(), "{}", path.display());
        check_law(&model, &plan, &random_array(7, &[2, 3, 32, 32]));
        checked += 1;
    }
    assert!(checked > 0, "found no file `trained-*.pt` with an expected `.safetensors` file");
}

#[test]
fn yolov8n_obeys_the_law() {
    check_scale(Scale::N, 64);
}

#[test]
fn yolov8s_obeys_the_law() {
    check_scale(Scale::S, 64);
}

#[test]
fn yolov8m_obeys_the_law() {
    check_scale(Scale::M, 32);
}

#[test]
fn yolov8l_obeys_the_law() {
    check_scale(Scale::L, 32);
}

#[test]
fn yolov8x_obeys_the_law() {
    check_scale(Scale::X, 32);
}
