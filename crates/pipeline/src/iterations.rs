//! [`save_iterations`]: writes the result of pruning in steps: the last good network, its plan, and the curve
//! as data and picture.

use std::path::{Path, PathBuf};

use anyhow::Result;
use bonsai_checkpoint::write_file;
use bonsai_plots::{PruningStep, draw_pruning};
use bonsai_prune::{Iterated, IterationRecord};
use bonsai_stages::write_picture;

/// Paths of the files.
pub(crate) struct Files {
    pub(crate) checkpoint: PathBuf,
    pub(crate) plan: PathBuf,
    pub(crate) records: PathBuf,
    pub(crate) picture: PathBuf,
}

impl Files {
    /// The files beside a checkpoint, named after it.
    pub(crate) fn beside(checkpoint: &Path) -> Self {
        Self {
            plan: checkpoint.with_extension("plan.json"),
            records: checkpoint.with_extension("iterations.json"),
            picture: checkpoint.with_extension("png"),
            checkpoint: checkpoint.to_owned(),
        }
    }
}

/// Writes all files, each whole or not at all.
pub(crate) fn save_iterations(iterated: &Iterated, max_map_drop: f64, files: &Files) -> Result<()> {
    write_file(&files.records, &serde_json::to_vec_pretty(&iterated.records)?)?;
    let limit = iterated.records.first().map(|first| first.map_recovered - max_map_drop);
    write_picture(&draw_pruning(&curve(&iterated.records), limit)?, &files.picture)?;
    iterated.plan.save(&files.plan)?;
    Ok(iterated.checkpoint.save(&files.checkpoint)?)
}

/// The records as fractions of the first.
fn curve(records: &[IterationRecord]) -> Vec<PruningStep> {
    let Some(first) = records.first() else { return Vec::new() };
    let share = |now: u64, before: u64| now as f64 / before.max(1) as f64;
    records
        .iter()
        .map(|record| PruningStep {
            params: share(record.cost.params, first.cost.params),
            macs: share(record.cost.macs, first.cost.macs),
            map_pruned: record.map_pruned,
            map_recovered: record.map_recovered,
        })
        .collect()
}
