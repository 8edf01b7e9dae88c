//! Pruning in steps with recovery between them, for as long as the figures allow.
//!
//! As Torch-Pruning's example for YOLOv8 does, with one difference: it stops at the network that broke the limit, this
//! gives back the last one that did not.

use bonsai_checkpoint::Checkpoint;
use serde::{Deserialize, Serialize};

use crate::{BoxError, PruneError, PrunePlan};

/// How many steps, and when to stop.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct IterateConfig {
    /// Steps towards the whole ratio; 1 prunes at once.
    pub steps: usize,
    /// Largest loss of mAP after recovery, against the first network, that is accepted.
    pub max_map_drop: f64,
}

impl Default for IterateConfig {
    /// At once; 0.2 as in the example.
    fn default() -> Self {
        Self { steps: 1, max_map_drop: 0.2 }
    }
}

impl IterateConfig {
    /// The share of what is left that each step removes, so that all together remove `whole`:
    /// `1 - (1 - whole)^(1 / steps)`.
    pub fn step_ratio(&self, whole: f64) -> f64 {
        1.0 - (1.0 - whole).powf(1.0 / self.steps.max(1) as f64)
    }

    /// The share of the original that is to be left after `step` steps (from 1), for a whole share `left`.
    pub fn share_after(&self, left: f64, step: usize) -> f64 {
        left.powf(step as f64 / self.steps.max(1) as f64)
    }

    /// Checks the numbers.
    ///
    /// # Errors
    /// [`PruneError::Policy`].
    pub fn check(&self) -> Result<(), PruneError> {
        let refuse = |field, got: String, expected| Err(PruneError::Policy { field, got, expected });
        if self.steps == 0 {
            return refuse("steps", "0".to_owned(), "at least 1");
        }
        if !(0.0..=1.0).contains(&self.max_map_drop) {
            return refuse("max_map_drop", self.max_map_drop.to_string(), "in 0..=1");
        }
        Ok(())
    }
}

/// One step of the curve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IterationRecord {
    /// From 1; 0 is the network before the first.
    pub step: usize,
    /// Learned scalars.
    pub params: u64,
    /// Multiply-accumulates.
    pub macs: u64,
    /// mAP right after pruning.
    pub map_pruned: f64,
    /// mAP after recovery.
    pub map_recovered: f64,
}

/// Why it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IterationEnd {
    /// All steps are done.
    Finished,
    /// The last step lost more than is accepted and was taken back.
    Dropped,
}

/// What is left in the end.
#[derive(Debug, Clone)]
pub struct Iterated {
    /// The last network within the limit.
    pub checkpoint: Checkpoint,
    /// What it keeps of the first; `None` if no step was within the limit.
    pub plan: Option<PrunePlan>,
    /// The first network and every step, the one that was taken back included.
    pub records: Vec<IterationRecord>,
    /// Why it ended.
    pub end: IterationEnd,
}

/// A step of pruning: the smaller network and its plan.
pub type StepPruner<'a> = dyn FnMut(&Checkpoint, usize) -> Result<(Checkpoint, PrunePlan), PruneError> + 'a;

/// What the loop needs from others.
pub struct IterationServices<'a> {
    /// Prunes by the given step, from 1.
    pub prune: &'a mut StepPruner<'a>,
    /// Measures mAP.
    pub evaluate: &'a mut dyn FnMut(&Checkpoint) -> Result<f64, BoxError>,
    /// Fine-tunes after the given step.
    pub recover: &'a mut dyn FnMut(Checkpoint, usize) -> Result<Checkpoint, BoxError>,
    /// Is told of every record as it comes.
    pub watch: &'a mut dyn FnMut(&IterationRecord),
}

/// Prunes and recovers in turns. `image` is height and width for which work is counted.
///
/// # Errors
/// What pruning reports; [`PruneError::Service`] around what the others do.
pub fn iterate(
    start: &Checkpoint,
    config: &IterateConfig,
    image: (usize, usize),
    services: IterationServices<'_>,
) -> Result<Iterated, PruneError> {
    config.check()?;
    let IterationServices { prune, evaluate, recover, watch } = services;
    let failed = |step: usize, what: &str| {
        let task = format!("{what} the network of step {step}");
        move |source| PruneError::Service { task, source }
    };
    let record = |step, model: &Checkpoint, map_pruned, map_recovered| -> Result<_, PruneError> {
        let cost = model.model.graph().cost(image.0, image.1)?;
        Ok(IterationRecord { step, params: cost.params, macs: cost.macs, map_pruned, map_recovered })
    };
    let first = evaluate(start).map_err(failed(0, "judging"))?;
    let mut records = vec![record(0, start, first, first)?];
    watch(&records[0]);
    let (mut good, mut composed): (Checkpoint, Option<PrunePlan>) = (start.clone(), None);
    for step in 1..=config.steps {
        let (pruned, plan) = prune(&good, step)?;
        let map_pruned = evaluate(&pruned).map_err(failed(step, "judging"))?;
        let recovered = recover(pruned, step).map_err(failed(step, "fine-tuning"))?;
        let map_recovered = evaluate(&recovered).map_err(failed(step, "judging"))?;
        let record = record(step, &recovered, map_pruned, map_recovered)?;
        watch(&record);
        records.push(record);
        if first - map_recovered > config.max_map_drop {
            return Ok(Iterated { checkpoint: good, plan: composed, records, end: IterationEnd::Dropped });
        }
        composed = Some(match composed {
            Some(before) => before.then(&plan)?,
            None => plan,
        });
        good = recovered;
    }
    Ok(Iterated { checkpoint: good, plan: composed, records, end: IterationEnd::Finished })
}
