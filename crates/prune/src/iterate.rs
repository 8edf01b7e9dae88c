//! Pruning in small steps with training between them, as long as it goes well.
//!
//! The loop of Torch-Pruning's `YOLOv8` example, with one difference: it ends with the last model that kept
//! within the limit, not with the one that broke it. Pruning, evaluating and training are closures, so the
//! loop itself is pure.

use bonsai_checkpoint::Checkpoint;
use bonsai_graph::Cost;
use serde::{Deserialize, Serialize};

use crate::{BoxError, PruneError, PrunePlan};

/// How far and in how many steps.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Iteration {
    /// Share to remove in all, `0..=1`, of what the policy's ratio counts. Default 0.5.
    pub prune_ratio: f64,
    /// Steps. Default 16.
    pub steps: usize,
    /// How far the mAP after recovery may fall below the initial one. Default 0.2.
    pub max_map_drop: f64,
}

impl Default for Iteration {
    fn default() -> Self {
        Self { prune_ratio: 0.5, steps: 16, max_map_drop: 0.2 }
    }
}

impl Iteration {
    /// The ratio of each step, of what is then left: `1 - (1 - prune_ratio)^(1 / steps)`.
    pub fn step_ratio(&self) -> f64 {
        1.0 - (1.0 - self.prune_ratio).powf(1.0 / self.steps as f64)
    }

    /// Checks the numbers.
    ///
    /// # Errors
    /// [`PruneError::Policy`] with the field, the number and what it must be.
    pub fn check(&self) -> Result<(), PruneError> {
        let refuse = |field, got: String, expected| Err(PruneError::Policy { field, got, expected });
        if !(0.0..=1.0).contains(&self.prune_ratio) {
            return refuse("prune_ratio", self.prune_ratio.to_string(), "in 0..=1");
        }
        if !(1..=1000).contains(&self.steps) {
            return refuse("steps", self.steps.to_string(), "at least 1, at most 1000");
        }
        if !(0.0..=1.0).contains(&self.max_map_drop) {
            return refuse("max_map_drop", self.max_map_drop.to_string(), "in 0..=1");
        }
        Ok(())
    }
}

/// Prunes a model by a ratio of what is left in it.
pub type PruneStep<'a> = dyn FnMut(&Checkpoint, f64) -> Result<(PrunePlan, Checkpoint), BoxError> + 'a;

/// What a step needs done.
pub struct IterateServices<'a> {
    /// The plan for that model, and what comes out.
    pub prune: &'a mut PruneStep<'a>,
    /// Its mAP, by whatever measure the limit is meant for.
    pub evaluate: &'a mut dyn FnMut(&Checkpoint) -> Result<f64, BoxError>,
    /// Trains a pruned model in the step of that number, from 1; the network must stay as it is.
    pub fine_tune: &'a mut dyn FnMut(Checkpoint, usize) -> Result<Checkpoint, BoxError>,
    /// Told of each record when it is made, to draw or to print.
    pub progress: &'a mut dyn FnMut(&StepRecord),
}

/// One point of the curve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct StepRecord {
    /// 0 for the model at the start, then the steps.
    pub step: usize,
    /// Size and work.
    pub cost: Cost,
    /// mAP right after pruning.
    pub map_pruned: f64,
    /// mAP after fine-tuning; for the start equal to the other.
    pub map_recovered: f64,
}

/// Why the loop ended.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stopped {
    /// All steps were taken.
    Done,
    /// The mAP fell further than allowed in this step, which is not part of the result.
    MapDrop {
        /// The step.
        step: usize,
        /// By how much.
        drop: f64,
    },
    /// Guards and rounding left nothing to remove in this step.
    NothingLeft {
        /// The step.
        step: usize,
    },
}

/// The result of [`iterate`].
#[derive(Debug, Clone, PartialEq)]
pub struct Iterated {
    /// The last model that kept within the limit; the start, if the first step broke it.
    pub checkpoint: Checkpoint,
    /// The plan that leads from the start's network to that model's.
    pub plan: PrunePlan,
    /// The step after which that model stood.
    pub good_step: usize,
    /// The curve, with the step that broke the limit, if one did.
    pub records: Vec<StepRecord>,
    /// Why it ended.
    pub stopped: Stopped,
}

/// Prunes `start` step by step; costs are for images of `h` x `w` pixels.
///
/// # Errors
/// [`PruneError::Policy`] for wrong numbers, [`PruneError::Service`] with the step if a closure fails or
/// training gives another network back, [`PruneError::Graph`] if the image does not fit, and those of
/// [`PrunePlan::then`] if a plan is not for the model that it was made from.
pub fn iterate(
    config: &Iteration,
    start: &Checkpoint,
    (h, w): (usize, usize),
    services: &mut IterateServices<'_>,
) -> Result<Iterated, PruneError> {
    config.check()?;
    let initial = (services.evaluate)(start).map_err(failed("evaluating the model at the start"))?;
    let cost = start.model.graph().cost(h, w)?;
    let first = StepRecord { step: 0, cost, map_pruned: initial, map_recovered: initial };
    (services.progress)(&first);
    let mut result = Iterated {
        checkpoint: start.deployed(),
        plan: PrunePlan::identity(start.model.graph()),
        good_step: 0,
        records: vec![first],
        stopped: Stopped::Done,
    };
    for step in 1..=config.steps {
        let (plan, pruned) = (services.prune)(&result.checkpoint, config.step_ratio())
            .map_err(failed(&format!("step {step}: pruning")))?;
        if plan.is_identity() {
            result.stopped = Stopped::NothingLeft { step };
            break;
        }
        let plan = result.plan.then(&plan)?;
        let cost = pruned.model.graph().cost(h, w)?;
        let evaluating = format!("step {step}: evaluating");
        let map_pruned = (services.evaluate)(&pruned).map_err(failed(&evaluating))?;
        let model = pruned.model.clone();
        let training = format!("step {step}: fine-tuning");
        let tuned = (services.fine_tune)(pruned, step).map_err(failed(&training))?;
        if tuned.model != model {
            return Err(failed(&training)("it gave another network back".into()));
        }
        let map_recovered = (services.evaluate)(&tuned).map_err(failed(&evaluating))?;
        let record = StepRecord { step, cost, map_pruned, map_recovered };
        (services.progress)(&record);
        result.records.push(record);
        let drop = initial - map_recovered;
        // Written so that no number counts as too far.
        if drop.is_nan() || drop > config.max_map_drop {
            result.stopped = Stopped::MapDrop { step, drop };
            break;
        }
        (result.checkpoint, result.plan, result.good_step) = (tuned, plan, step);
    }
    Ok(result)
}

fn failed(task: &str) -> impl FnOnce(BoxError) -> PruneError {
    let task = task.to_owned();
    |source| PruneError::Service { task, source }
}
