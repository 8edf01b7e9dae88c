//! [`iterate`] with closures that only simulate training and evaluation.

use bonsai_checkpoint::Checkpoint;
use bonsai_graph::Size;
use bonsai_prune::{
    BoxError, Coupling, IterateServices, Iterated, Iteration, PruneError, PrunePlan, PrunePolicy, Scope,
    ScoreConfig, apply, iterate, score, select,
};

use crate::small_model::{conv_bn, small_model};

fn model() -> Checkpoint {
    small_model(&(conv_bn("a", "x", 64) + &conv_bn("y", "a", 64)))
}

fn prune(model: &Checkpoint, prune_ratio: f64) -> Result<(PrunePlan, Checkpoint), BoxError> {
    let coupling = Coupling::from_graph(model.model.graph());
    let scores = score(&coupling, &model.weights, &ScoreConfig::default())?;
    let policy = PrunePolicy {
        prune_ratio,
        scope: Scope::PerLayer,
        min_channels: 1,
        round_to: None,
        ..PrunePolicy::default()
    };
    let plan = select(&coupling, &scores, &policy)?;
    let pruned = apply(&plan, model)?;
    Ok((plan, pruned))
}

fn width(model: &Checkpoint) -> usize {
    let graph = model.model.graph();
    graph.node(graph.find("a").unwrap()).channels()
}

/// Runs [`iterate`] with an mAP that depends on the width of the network; training adds `recovers`.
fn run(config: &Iteration, map: impl Fn(usize) -> f64, recovers: f64) -> Iterated {
    let start = model();
    let evaluated = std::cell::Cell::new(0.0);
    let mut told = 0;
    let result = iterate(
        config,
        &start,
        Size::square(16),
        &mut IterateServices {
            prune: &mut prune,
            evaluate: &mut |m| Ok(map(width(m)) + evaluated.replace(0.0)),
            fine_tune: &mut |m, _| {
                evaluated.set(recovers);
                Ok(m)
            },
            progress: &mut |_| told += 1,
        },
    )
    .unwrap();
    assert_eq!(told, result.records.len());
    // The composed plan produces the network of the result.
    assert_eq!(apply(&result.plan, &start).unwrap().model, result.checkpoint.model);
    let costs: Vec<u64> = result.records.iter().map(|r| r.cost.macs).collect();
    assert!(costs.windows(2).all(|w| w[1] < w[0]), "{costs:?}");
    result
}

#[test]
fn step_ratios_make_up_the_whole() {
    let config = Iteration { prune_ratio: 0.5, steps: 16, max_map_drop: 0.2 };
    assert!(((1.0 - config.step_ratio()).powi(16) - 0.5).abs() < 1e-12);
    assert_eq!(Iteration { prune_ratio: 1.0, ..config }.step_ratio(), 1.0);
}

#[test]
fn all_steps_are_taken_while_it_goes_well() {
    let config = Iteration { prune_ratio: 0.5, steps: 3, max_map_drop: 0.2 };
    let result = run(&config, |_| 0.6, 0.1);
    // 64 less 20.6 % three times, rounded down to what the ratio removes: 51, 41, 33.
    assert_eq!((width(&result.checkpoint), result.good_step, result.records.len()), (33, 3, 4));
    assert_eq!(serde_json::to_string(&result.stopped).unwrap(), r#""done""#);
    assert_eq!((result.records[0].map_pruned, result.records[0].map_recovered), (0.6, 0.6));
    assert!((result.records[2].map_pruned - 0.6).abs() < 1e-12);
    assert!((result.records[2].map_recovered - 0.7).abs() < 1e-12);
}

#[test]
fn the_last_good_model_is_kept_not_the_one_that_broke_the_limit() {
    let config = Iteration { prune_ratio: 0.5, steps: 3, max_map_drop: 0.2 };
    let result = run(&config, |width| if width < 40 { 0.3 } else { 0.6 }, 0.05);
    assert_eq!((width(&result.checkpoint), result.good_step, result.records.len()), (41, 2, 4));
    let text = serde_json::to_string(&result.stopped).unwrap();
    assert!(text.starts_with(r#"{"map_drop":{"step":3,"drop":0.2"#), "{text}");
    let never = run(&config, |width| if width < 64 { f64::NAN } else { 0.6 }, 0.0);
    assert_eq!((width(&never.checkpoint), never.good_step, never.plan.is_identity()), (64, 0, true));
}

#[test]
fn it_ends_where_nothing_is_left_to_remove() {
    let config = Iteration { prune_ratio: 0.02, steps: 4, max_map_drop: 0.2 };
    let result = run(&config, |_| 0.6, 0.0);
    assert_eq!((result.good_step, result.records.len()), (0, 1));
    assert_eq!(serde_json::to_string(&result.stopped).unwrap(), r#"{"nothing_left":{"step":1}}"#);
}

#[test]
fn failures_name_the_step() {
    let config = Iteration { prune_ratio: 0.5, steps: 2, max_map_drop: 0.2 };
    let fails = |fine_tune: &mut dyn FnMut(Checkpoint, usize) -> Result<Checkpoint, BoxError>| {
        let evaluate = &mut |_: &Checkpoint| Ok(0.5);
        let services = &mut IterateServices { prune: &mut prune, evaluate, fine_tune, progress: &mut |_| () };
        iterate(&config, &model(), Size::square(16), services).unwrap_err()
    };
    let error = fails(&mut |m, step| if step == 2 { Err("out of memory".into()) } else { Ok(m) });
    assert_eq!(error.to_string(), "step 2: fine-tuning failed");
    let PruneError::Service { source, .. } = fails(&mut |_, _| Ok(model())) else {
        panic!("expected the error for a changed network")
    };
    assert_eq!(source.to_string(), "fine-tuning changed the network; it must return the same one");
    for bad in [Iteration { steps: 0, ..config }, Iteration { prune_ratio: 1.5, ..config }] {
        assert!(matches!(bad.check(), Err(PruneError::Policy { .. })));
    }
}
