//! [`SparseOutcome`]: the outcome of sparsity training, which decides whether the sparse network or the
//! baseline is pruned.

use anyhow::Result;
use bonsai_sparsity::Strength;
use bonsai_stages::load_json;
use bonsai_train::EpochRecord;

use crate::run_dir::HISTORY;
use crate::{PipelineConfig, RunDir, Stage};

/// Fraction of the baseline's mAP50-95 on the validation split below which a sparse network counts as
/// damaged. The mAP of a small validation split varies by less than a tenth from epoch to epoch.
const DAMAGED: f64 = 0.9;

/// How sparsity training ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct SparseOutcome {
    /// Epochs that were trained.
    pub(crate) epochs: usize,
    /// Epochs that were planned.
    planned: usize,
    /// mAP50-95 on the validation split: of the weights that training started from, and of the last weights.
    map: Option<[f64; 2]>,
}

impl PipelineConfig {
    /// Whether the outcome of sparsity training decides which network is pruned. It does if the loss sets the
    /// strength of L1. If the user names a strength, the mAP of the
    /// sparse network decides nothing.
    pub(crate) const fn checks_sparsity(&self) -> bool {
        self.has(Stage::Sparse) && matches!(self.l1.gamma, Strength::Loss(_))
    }
}

impl SparseOutcome {
    /// Reads the outcome of a completed stage.
    ///
    /// # Errors
    /// If a history cannot be read.
    pub(crate) fn new(config: &PipelineConfig, dir: &RunDir) -> Result<Self> {
        let history = |stage| -> Result<Vec<EpochRecord>> {
            let file = dir.stage(stage).join(HISTORY);
            // A baseline may be a checkpoint that the user put there, without a history.
            if file.is_file() { load_json(&file) } else { Ok(Vec::new()) }
        };
        Ok(Self::of_histories(&history(Stage::Baseline)?, &history(Stage::Sparse)?, config.sparse.epochs))
    }

    fn of_histories(baseline: &[EpochRecord], sparse: &[EpochRecord], planned: usize) -> Self {
        let best = baseline.iter().filter_map(|record| record.evaluation);
        let before = best.max_by(|a, b| a.fitness().total_cmp(&b.fitness()));
        let after = sparse.last().and_then(|record| record.evaluation);
        let map = before.zip(after).map(|(before, after)| [before.map50_95, after.map50_95]);
        Self { epochs: sparse.len(), planned, map }
    }

    /// Epochs that were planned and not trained.
    pub(crate) const fn epochs_left(&self) -> usize {
        self.planned.saturating_sub(self.epochs)
    }

    /// Why the baseline is pruned in place of the sparse network; `None` if the sparse network is pruned.
    pub(crate) fn left_out(&self) -> Option<String> {
        let Self { epochs, planned, map } = *self;
        if epochs < planned {
            return Some(format!(
                "sparsity training ended after {epochs} of {planned} epochs, because the loss rises too much under L1 for any \
                 gamma to come near 0"
            ));
        }
        let [before, after] = map?;
        (after < DAMAGED * before).then(|| {
            format!("sparsity training took mAP50-95 on the validation split from {before:.3} to {after:.3}")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bonsai_train::Evaluation;

    fn history(maps: &[f64]) -> Vec<EpochRecord> {
        let record = |(index, map50_95): (usize, &f64)| EpochRecord {
            epoch: index + 1,
            epochs: maps.len(),
            evaluation: Some(Evaluation { map50_95: *map50_95, ..Evaluation::default() }),
            ..EpochRecord::default()
        };
        maps.iter().enumerate().map(record).collect()
    }

    #[test]
    fn a_stage_that_ended_early_or_damaged_the_network_is_left_out() {
        let baseline = history(&[0.1, 0.5, 0.4]);
        let outcome = |maps: &[f64], planned| SparseOutcome::of_histories(&baseline, &history(maps), planned);
        assert_eq!(outcome(&[0.2, 0.46], 2).left_out(), None, "the last weights are pruned");
        let damaged = outcome(&[0.5, 0.44], 2).left_out().unwrap();
        assert!(damaged.contains("from 0.500 to 0.440"), "{damaged}");
        let early = outcome(&[0.5, 0.5], 5);
        assert!(early.left_out().unwrap().contains("2 of 5 epochs"));
        assert_eq!((early.epochs_left(), outcome(&[0.5], 1).epochs_left()), (3, 0));
    }
}
