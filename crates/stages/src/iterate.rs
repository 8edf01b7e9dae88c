//! [`iterate_stage`]: pruning in steps, each of which prunes, fine-tunes and evaluates.

use std::cell::RefCell;

use anyhow::Result;
use bonsai_checkpoint::Checkpoint;
use bonsai_graph::{Cost, Size};
use bonsai_prune::{
    BoxError, CostTarget, IterateServices, Iterated, Iteration, IterationRecord, PrunePlan, PrunePolicy,
    iterate,
};
use bonsai_train::TrainConfig;

use crate::{Data, Objective, RunContext, TrainWatch, measure_checkpoint, prune_stage, train_stage};
use crate::{IterateConfig, PruneConfig};

/// The settings of pruning in steps.
#[derive(Debug, Clone)]
pub struct Stepwise<'a> {
    /// How to prune; the ratio or target is that of all steps together.
    pub prune: &'a PruneConfig,
    /// How many steps, and when to stop.
    pub iterate: &'a IterateConfig,
    /// How to fine-tune after each step; the number of epochs is that of `iterate`.
    pub finetune: &'a TrainConfig,
}

/// Prunes in steps, and returns the last network whose mAP50-95 on the validation split is good enough.
///
/// # Errors
/// If pruning, fine-tuning or evaluation fails.
pub fn iterate_stage(
    start: &Checkpoint,
    what: &Stepwise<'_>,
    data: &Data,
    context: &RunContext,
    watch: &mut dyn TrainWatch,
) -> Result<Iterated> {
    let IterateConfig { steps, max_map_drop, epochs } = *what.iterate;
    let config = Iteration { prune_ratio: what.prune.policy.prune_ratio, steps, max_map_drop };
    let finetune = TrainConfig { epochs, ..what.finetune.clone() };
    let image = Size::square(context.imgsz);
    let first = start.model.graph().cost(image)?;
    let watch = RefCell::new(watch);
    let mut step = 0;
    let mut prune = |model: &Checkpoint, ratio: f64| -> Result<(PrunePlan, Checkpoint), BoxError> {
        step += 1;
        let now = model.model.graph().cost(image)?;
        let policy = step_policy(&what.prune.policy, ratio, (step, steps), (first, now));
        let settings = PruneConfig { policy, ..what.prune.clone() };
        let mut note = |text: &str| watch.borrow_mut().note(text);
        let pruned = prune_stage(model, &settings, context, Some(data), &mut note)?;
        Ok((pruned.plan, pruned.checkpoint))
    };
    let mut evaluate = |model: &Checkpoint| -> Result<f64, BoxError> {
        Ok(measure_checkpoint(model, &data.val, context, finetune.batch)?.map50_95)
    };
    let mut fine_tune = |model: Checkpoint, _: usize| -> Result<Checkpoint, BoxError> {
        let trained =
            train_stage(&model, data, &finetune, Objective::Detection, context, &mut **watch.borrow_mut())?;
        Ok(trained.best.unwrap_or(trained.last).deployed())
    };
    let mut progress = |record: &IterationRecord| watch.borrow_mut().note(&describe(record));
    let mut services = IterateServices {
        prune: &mut prune,
        evaluate: &mut evaluate,
        fine_tune: &mut fine_tune,
        progress: &mut progress,
    };
    Ok(iterate(&config, start, image, &mut services)?)
}

/// The policy of one step: its part of the ratio, or an intermediate target.
fn step_policy(
    whole: &PrunePolicy,
    ratio: f64,
    (step, steps): (usize, usize),
    (first, now): (Cost, Cost),
) -> PrunePolicy {
    // The target is a fraction of the first network, and the step's target a fraction of the current one. If
    // rounding made an earlier step remove more than this step requires, there is nothing to remove.
    let share = |whole: f64, left: f64| (whole.powf(step as f64 / steps as f64) / left).min(1.0);
    let left = |now: u64, first: u64| now as f64 / first as f64;
    let target = whole.target.map(|target| match target {
        CostTarget::Params(whole) => CostTarget::Params(share(whole, left(now.params, first.params))),
        CostTarget::Macs(whole) => CostTarget::Macs(share(whole, left(now.macs, first.macs))),
        CostTarget::Latency(whole) => CostTarget::Latency(whole.powf(1.0 / steps as f64)),
        // A limit in milliseconds cannot be divided into steps, so the first step goes to the final target.
        CostTarget::LatencyMs(_) => target,
    });
    PrunePolicy { prune_ratio: ratio, target, ..whole.clone() }
}

fn describe(record: &IterationRecord) -> String {
    format!(
        "step {}: {} params, {} MACs, mAP50-95 {:.3} right after pruning, {:.3} after fine-tuning",
        record.step, record.cost.params, record.cost.macs, record.map_pruned, record.map_recovered
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_lead_to_the_target() {
        let whole = PrunePolicy { target: Some(CostTarget::Macs(0.25)), ..PrunePolicy::default() };
        let first = Cost { params: 1000, macs: 1_000_000 };
        let mut now = first;
        for step in 1..=4 {
            let policy = step_policy(&whole, 0.1, (step, 4), (first, now));
            let Some(CostTarget::Macs(share)) = policy.target else { panic!("{policy:?}") };
            // The second step removes slightly too much, as with rounding.
            let rounded = if step == 2 { 0.99 } else { 1.0 };
            now.macs = (now.macs as f64 * share * rounded) as u64;
            assert!(share < 1.0);
        }
        assert!((now.macs as f64 / 1e6 - 0.25).abs() < 1e-4, "{now:?}");
        let beyond = Cost { macs: 100_000, ..first };
        assert_eq!(
            step_policy(&whole, 0.1, (1, 4), (first, beyond)).target,
            Some(CostTarget::Macs(1.0)),
            "nothing is left to do"
        );
        let ratio = PrunePolicy::default();
        assert_eq!(step_policy(&ratio, 0.1, (1, 4), (first, now)).prune_ratio, 0.1);
    }
}
