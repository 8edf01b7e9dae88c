//! Pruning by batch-norm gamma.

use anyhow::Result;
use bonsai_checkpoint::Checkpoint;
use bonsai_prune::{Coupling, PrunePlan, PrunePolicy, PruneReport, Reduction, apply, report, score, select};

/// The smaller network and how it came about.
#[derive(Debug, Clone)]
pub struct Pruned {
    /// An ordinary checkpoint.
    pub checkpoint: Checkpoint,
    /// What was kept.
    pub plan: PrunePlan,
    /// Per layer and in all.
    pub report: PruneReport,
}

/// Scores by |gamma| (mean over coupled channels), selects by `policy`, applies.
///
/// # Errors
/// If the policy's numbers are out of range or a protected layer does not exist.
pub fn prune_stage(model: &Checkpoint, policy: &PrunePolicy, imgsz: usize) -> Result<Pruned> {
    let coupling = Coupling::of(model.model.graph());
    let scores = score(&coupling, &model.weights, Reduction::Mean)?;
    let plan = select(&coupling, &scores, policy)?;
    let checkpoint = apply(&plan, model)?;
    let report = report(&plan, model, imgsz, imgsz)?;
    Ok(Pruned { checkpoint, plan, report })
}
