//! [`GammaHistory`]: the distribution of the gammas after each epoch of a training, as data and as a picture.

use std::path::Path;

use anyhow::{Context as _, Result};
use bonsai_checkpoint::{Checkpoint, write_file};
use bonsai_graph::Size;
use bonsai_plots::{GammaEpoch, RgbImage, draw_gammas};
use bonsai_prune::{Candidates, Coupling, PrunePolicy, SafeLimit, ScoreConfig, choose, score};
use bonsai_sparsity::{GammaStatistics, Histogram};
use serde::{Deserialize, Serialize};

/// The epochs of a training, in order.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GammaHistory {
    /// One entry for each epoch.
    pub epochs: Vec<GammaRecord>,
}

/// The averaged weights after an epoch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GammaRecord {
    /// Number of the epoch, from 1; 0 is the network that training started from.
    pub epoch: usize,
    /// Statistics of all gammas and of each layer.
    pub statistics: GammaStatistics,
    /// Largest fraction of channel sets that pruning could remove without emptying a layer, and the layer
    /// that sets this limit.
    pub safe_limit: Option<SafeLimit>,
}

impl GammaHistory {
    /// Adds the statistics of `checkpoint`.
    ///
    /// # Errors
    /// If the network has no batch norm, or a gamma is not finite.
    pub fn push(&mut self, epoch: usize, checkpoint: &Checkpoint) -> Result<()> {
        let graph = checkpoint.model.graph();
        let statistics = GammaStatistics::new(graph, &checkpoint.weights)?;
        let coupling = Coupling::from_graph(graph);
        let scores = score(&coupling, &checkpoint.weights, &ScoreConfig::default())?;
        let candidates = Candidates { coupling: &coupling, scores: &scores, weights: &checkpoint.weights };
        // A plan that removes nothing: only its limit is needed.
        let nothing = PrunePolicy { prune_ratio: 0.0, ..PrunePolicy::default() };
        let stride = checkpoint.model.head().strides.iter().copied().max().unwrap_or(32);
        let safe_limit = choose(&candidates, &nothing, Size::square(stride))?.summary.safe_limit;
        self.epochs.push(GammaRecord { epoch, statistics, safe_limit });
        Ok(())
    }

    /// Reads a file and keeps the first `epochs` epochs (and the start).
    ///
    /// # Errors
    /// If the file cannot be read or does not hold such a history.
    pub fn load(path: &Path, epochs: usize) -> Result<Self> {
        let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let mut history: Self = serde_json::from_slice(&bytes)
            .with_context(|| format!("{} is not a history of gammas", path.display()))?;
        history.epochs.retain(|record| record.epoch <= epochs);
        Ok(history)
    }

    /// Writes a file, whole or not at all.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        Ok(write_file(path, &serde_json::to_vec(self)?)?)
    }

    /// Draws the distribution over the epochs.
    ///
    /// # Errors
    /// If the drawing library fails.
    pub fn draw(&self) -> Result<RgbImage> {
        let epochs: Vec<GammaEpoch> = self.epochs.iter().map(GammaRecord::shown).collect();
        Ok(draw_gammas(&epochs, 1.0 / Histogram::BINS_PER_UNIT as f64)?)
    }
}

impl GammaRecord {
    fn shown(&self) -> GammaEpoch {
        let overall = &self.statistics.overall;
        // Five of the seven percentiles: the picture has no room for more.
        let percentiles = [0, 2, 3, 4, 6].map(|i| f64::from(overall.percentiles[i]));
        GammaEpoch {
            epoch: self.epoch,
            counts: overall.histogram.counts.clone(),
            above: overall.histogram.above,
            percentiles,
            below_1e2: overall.below_1e2,
            below_1e3: overall.below_1e3,
            safe_ratio: self.safe_limit.as_ref().map(|limit| limit.ratio),
        }
    }
}
