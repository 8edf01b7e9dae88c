//! [`accepted`]: the pruning target that an earlier call found for a candidate.
//!
//! A network that was accepted is fine-tuned for hours. A later call with the same budget uses its target again
//! instead of measuring, because a measurement that differs by noise would discard the training.

use std::path::{Path, PathBuf};

use anyhow::Result;
use bonsai_pipeline::PipelineConfig;
use bonsai_prune::{CostTarget, Importance};
use bonsai_stages::{load_json, save_json};
use serde::{Deserialize, Serialize};

use crate::Budget;
use crate::candidates::Candidate;

#[derive(Serialize, Deserialize)]
struct Accepted {
    budget: Budget,
    target: CostTarget,
}

/// The target of an earlier call with the same budget.
pub(crate) fn accepted(folder: &Path, candidate: &Candidate) -> Option<CostTarget> {
    let found: Accepted = load_json(&file(folder, candidate)).ok()?;
    (found.budget == candidate.budget).then_some(found.target)
}

/// Stores the target of `config` for later calls.
///
/// # Errors
/// If the file cannot be written.
pub(crate) fn accept(folder: &Path, candidate: &Candidate, config: &PipelineConfig) -> Result<()> {
    let Some(target) = config.prune.target else { return Ok(()) };
    save_json(&file(folder, candidate), &Accepted { budget: candidate.budget, target })
}

/// All multiply-accumulates: the target of a run that only fine-tunes.
pub(crate) const UNPRUNED: CostTarget = CostTarget::Macs(1.0);

/// The settings of a run with a target.
pub(crate) fn with_target(base: &PipelineConfig, target: CostTarget) -> PipelineConfig {
    let mut config = base.clone();
    config.prune.target = Some(target);
    if target == UNPRUNED {
        // Nothing is removed, so trials of rankings and their gradients would be wasted.
        config.score.importance = Importance::L2;
        config.extras.reconstruct = 0;
    }
    config
}

fn file(folder: &Path, candidate: &Candidate) -> PathBuf {
    folder.join(format!("{}.accepted.json", candidate.name))
}
