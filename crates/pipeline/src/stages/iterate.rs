//! Pruning in steps: prune, fine-tune, judge, and again.

use std::cell::RefCell;

use anyhow::Result;
use bonsai_checkpoint::Checkpoint;
use bonsai_prune::{
    BoxError, Iterated, IterationRecord, IterationServices, PruneError, PrunePolicy, Target, iterate,
};
use bonsai_train::TrainConfig;

use super::{Data, Setting, TrainWatch, measure_checkpoint, prune_stage, train_stage};
use crate::{IterateSettings, PruneSettings};

/// What an iterative pruning is told.
#[derive(Debug, Clone)]
pub struct Iteration<'a> {
    /// How to prune; its ratio or target is that of all steps together.
    pub prune: &'a PruneSettings,
    /// How many steps, and when to stop.
    pub iterate: &'a IterateSettings,
    /// How to fine-tune after each step, but for the epochs.
    pub finetune: &'a TrainConfig,
}

/// Prunes in steps, keeping the last network that is good enough. mAP50-95 on the validation split judges.
///
/// # Errors
/// If pruning, fine-tuning or judging fails.
pub fn iterate_stage(
    start: &Checkpoint,
    what: &Iteration<'_>,
    data: &Data,
    setting: &Setting,
    watch: &mut dyn TrainWatch,
) -> Result<Iterated> {
    let config = what.iterate.config();
    config.check()?;
    let finetune = TrainConfig { epochs: what.iterate.epochs, ..what.finetune.clone() };
    let image = (setting.imgsz, setting.imgsz);
    let first = start.model.graph().cost(image.0, image.1)?;
    let mut prune = |model: &Checkpoint, step: usize| {
        let policy = step_policy(&what.prune.policy, &config, step, |target| {
            // Shares are of the first network, those of a step of what is left of it.
            let now = model.model.graph().cost(image.0, image.1)?;
            Ok(match target {
                Target::Params(_) => now.params as f64 / first.params as f64,
                Target::Macs(_) => now.macs as f64 / first.macs as f64,
                Target::Latency(_) | Target::LatencyMs(_) => config.share_after(target.limit(), step - 1),
            })
        })?;
        let settings = PruneSettings { policy, ..what.prune.clone() };
        let pruned = prune_stage(model, &settings, setting, Some(data)).map_err(|error| {
            PruneError::Service { task: format!("step {step} of pruning"), source: error.into() }
        })?;
        Ok((pruned.checkpoint, pruned.plan))
    };
    let mut evaluate = |model: &Checkpoint| -> Result<f64, BoxError> {
        Ok(measure_checkpoint(model, &data.val, setting, finetune.batch)?.map50_95)
    };
    let watch = RefCell::new(watch);
    let mut recover = |model: Checkpoint, _: usize| -> Result<Checkpoint, BoxError> {
        let trained = train_stage(&model, data, &finetune, None, setting, &mut **watch.borrow_mut())?;
        Ok(trained.best.unwrap_or(trained.last).deployed())
    };
    let mut tell = |record: &IterationRecord| watch.borrow_mut().note(&describe(record));
    let services = IterationServices {
        prune: &mut prune,
        evaluate: &mut evaluate,
        recover: &mut recover,
        watch: &mut tell,
    };
    Ok(iterate(start, &config, image, services)?)
}

/// The policy of one step: a share of the ratio, or of the way to the target.
fn step_policy(
    whole: &PrunePolicy,
    config: &bonsai_prune::IterateConfig,
    step: usize,
    left_now: impl Fn(Target) -> Result<f64, PruneError>,
) -> Result<PrunePolicy, PruneError> {
    let Some(target) = whole.target else {
        return Ok(PrunePolicy { prune_ratio: config.step_ratio(whole.prune_ratio), ..whole.clone() });
    };
    // Rounding may have taken an earlier step beyond this one's share: then there is nothing to remove.
    let share =
        || Ok::<f64, PruneError>((config.share_after(target.limit(), step) / left_now(target)?).min(1.0));
    let target = match target {
        Target::Params(_) => Target::Params(share()?),
        Target::Macs(_) => Target::Macs(share()?),
        Target::Latency(_) => Target::Latency(share()?),
        // Milliseconds say nothing of what a step may leave, so the first goes all the way.
        Target::LatencyMs(_) => target,
    };
    Ok(PrunePolicy { target: Some(target), ..whole.clone() })
}

fn describe(record: &IterationRecord) -> String {
    format!(
        "step {}: {} params, {} MACs, mAP50-95 {:.3} right after pruning, {:.3} after fine-tuning",
        record.step, record.params, record.macs, record.map_pruned, record.map_recovered
    )
}
