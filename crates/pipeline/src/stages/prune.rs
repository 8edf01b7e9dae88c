//! Pruning by batch-norm gamma.

use anyhow::Result;
use bonsai_checkpoint::Checkpoint;
use bonsai_prune::{
    Candidates, Coupling, PrunePlan, PrunePolicy, PruneReport, Reduction, Selection, apply, choose, report,
    score,
};

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

/// Scores by |gamma| (mean over coupled channels), chooses by `policy`, applies.
///
/// # Errors
/// If the policy's numbers are out of range, a layer that it names does not exist, or its target cannot be reached.
pub fn prune_stage(model: &Checkpoint, policy: &PrunePolicy, imgsz: usize) -> Result<Pruned> {
    let coupling = Coupling::of(model.model.graph());
    let scores = score(&coupling, &model.weights, Reduction::Mean)?;
    let candidates = Candidates { coupling: &coupling, scores: &scores, weights: &model.weights };
    let Selection { plan, summary } = choose(&candidates, policy, (imgsz, imgsz))?;
    let checkpoint = apply(&plan, model)?;
    let report = PruneReport { selection: Some(summary), ..report(&plan, model, imgsz, imgsz)? };
    Ok(Pruned { checkpoint, plan, report })
}
