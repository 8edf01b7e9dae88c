//! [`iterate`]: prunes in small steps and trains between them, until the mAP falls below a limit.
//!
//! The loop follows Torch-Pruning's `YOLOv8` example with one difference: it returns the last model within
//! the limit, not the one that exceeded it. Pruning, evaluation and training are closures, so the loop itself
//! is pure.

use bonsai_checkpoint::Checkpoint;
use bonsai_graph::{Cost, Size};
use serde::{Deserialize, Serialize};

use crate::{BoxError, PruneError, PrunePlan};

/// Total pruning ratio, number of steps, and the mAP limit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Iteration {
    /// Fraction to remove in total, `0..=1`, counted like the policy's ratio. Default 0.5.
    pub prune_ratio: f64,
    /// Number of steps. Default 16.
    pub steps: usize,
    /// Largest allowed drop of the mAP after fine-tuning, relative to the start. Default 0.2.
    pub max_map_drop: f64,
}

impl Default for Iteration {
    fn default() -> Self {
        Self { prune_ratio: 0.5, steps: 16, max_map_drop: 0.2 }
    }
}

impl Iteration {
    /// The ratio of one step, relative to the channels left before it: `1 - (1 - prune_ratio)^(1 / steps)`.
    pub fn step_ratio(&self) -> f64 {
        1.0 - (1.0 - self.prune_ratio).powf(1.0 / self.steps as f64)
    }

    /// Checks the numbers.
    ///
    /// # Errors
    /// [`PruneError::Policy`] with the field, its value and the accepted range.
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

/// Prunes a model by a ratio of the channels left in it.
pub type PruneStep<'a> = dyn FnMut(&Checkpoint, f64) -> Result<(PrunePlan, Checkpoint), BoxError> + 'a;

/// The closures that a step calls.
pub struct IterateServices<'a> {
    /// Returns the plan for a model, and the pruned model.
    pub prune: &'a mut PruneStep<'a>,
    /// Returns the mAP of a model, in the unit of the limit.
    pub evaluate: &'a mut dyn FnMut(&Checkpoint) -> Result<f64, BoxError>,
    /// Trains a pruned model in the given step (from 1); must not change the network.
    pub fine_tune: &'a mut dyn FnMut(Checkpoint, usize) -> Result<Checkpoint, BoxError>,
    /// Receives each record when it is made, for plots or output.
    pub progress: &'a mut dyn FnMut(&IterationRecord),
}

/// One point of the curve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct IterationRecord {
    /// 0 for the start model, then the number of the step.
    pub step: usize,
    /// Parameters and multiply-accumulates.
    pub cost: Cost,
    /// mAP right after pruning.
    pub map_pruned: f64,
    /// mAP after fine-tuning; for the start model equal to `map_pruned`.
    pub map_recovered: f64,
}

/// Why the loop ended.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stopped {
    /// All steps were taken.
    Done,
    /// The mAP fell by more than the limit in this step; the result excludes the step.
    MapDrop {
        /// The step.
        step: usize,
        /// Drop of the mAP relative to the start.
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
    /// The last model within the limit; the start model if the first step exceeded it.
    pub checkpoint: Checkpoint,
    /// The plan that turns the start network into that model's network.
    pub plan: PrunePlan,
    /// The step that produced that model; 0 for the start model.
    pub good_step: usize,
    /// The curve, including a step that exceeded the limit.
    pub records: Vec<IterationRecord>,
    /// Why the loop ended.
    pub stopped: Stopped,
}

/// Prunes `start` step by step; costs are for images of this size.
///
/// # Errors
/// [`PruneError::Policy`] for values out of range, [`PruneError::Service`] with the step if a closure fails
/// or training returns another network, [`PruneError::Graph`] if the image does not fit, and the errors of
/// [`PrunePlan::then`] if a plan does not fit the model it was made from.
pub fn iterate(
    config: &Iteration,
    start: &Checkpoint,
    image: Size,
    services: &mut IterateServices<'_>,
) -> Result<Iterated, PruneError> {
    config.check()?;
    let initial = (services.evaluate)(start).map_err(failed("evaluating the model at the start"))?;
    let cost = start.model.graph().cost(image)?;
    let first = IterationRecord { step: 0, cost, map_pruned: initial, map_recovered: initial };
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
        let cost = pruned.model.graph().cost(image)?;
        let evaluating = format!("step {step}: evaluating");
        let map_pruned = (services.evaluate)(&pruned).map_err(failed(&evaluating))?;
        let model = pruned.model.clone();
        let training = format!("step {step}: fine-tuning");
        let tuned = (services.fine_tune)(pruned, step).map_err(failed(&training))?;
        if tuned.model != model {
            return Err(failed(&training)(
                "fine-tuning changed the network; it must return the same one".into(),
            ));
        }
        let map_recovered = (services.evaluate)(&tuned).map_err(failed(&evaluating))?;
        let record = IterationRecord { step, cost, map_pruned, map_recovered };
        (services.progress)(&record);
        result.records.push(record);
        let drop = initial - map_recovered;
        // A NaN counts as a drop beyond the limit.
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
