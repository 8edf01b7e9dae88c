//! [`PruneConfig`]: the configuration of the pruning stage.

use std::ops::RangeInclusive;

use anyhow::Result;
use bonsai_prune::{Importance, PrunePolicy, ScoreConfig};
use bonsai_tensorrt::EnginePrecision;
use bonsai_train::TrainConfig;
use serde::{Deserialize, Serialize};

use super::{COUNTS, check_range};
use crate::ensure_usage;

/// Allowed batch sizes.
const BATCH: RangeInclusive<usize> = 1..=65_536;

/// Steps of pruning besides the removal of channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PruneExtras {
    /// Whether the layers that read removed channels take over their constant output (see
    /// [`bonsai_prune::Compensation`]).
    pub compensate: bool,
    /// Batches of training images on which the layers that read removed channels are refitted to replace what
    /// these contributed (see [`bonsai_prune::Reconstruction`]), in place of `compensate`; 0 for none.
    pub reconstruct: usize,
    /// Batches of training images over which the running statistics are measured again; 0 keeps the old
    /// statistics.
    pub recalibrate: usize,
    /// Batches of training images over which gradients are summed, for importance taylor.
    pub gradient_batches: usize,
    /// Images in each of these batches.
    pub batch: usize,
    /// Optimiser steps for which importance best trains the network of each candidate, before it measures the
    /// loss on training images that are held back.
    pub trial_steps: usize,
    /// The importance that a run uses instead of gamma if sparsity training did not separate the gammas;
    /// `gamma` keeps gamma.
    pub dense_importance: Importance,
    /// Precision of the CPU engine whose latency a latency target limits: fp32 or int8.
    pub latency_in: EnginePrecision,
}

impl Default for PruneExtras {
    fn default() -> Self {
        Self {
            compensate: true,
            // At most 256 images; each gives some windows to each layer.
            reconstruct: 32,
            recalibrate: 0,
            gradient_batches: 8,
            batch: 8,
            trial_steps: 40,
            // After five epochs that moved gammas by 0.04, a YOLOv8s pruned to half its MACs had an mAP50 of
            // 0.59 after the first epoch of fine-tuning with taylor, and of 0 with gamma.
            dense_importance: Importance::Taylor,
            latency_in: EnginePrecision::Fp32,
        }
    }
}

/// The settings of the pruning stage.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct PruneConfig {
    /// How the importance of channels is computed.
    pub score: ScoreConfig,
    /// Which channels are removed.
    pub policy: PrunePolicy,
    /// The other steps.
    pub extras: PruneExtras,
    /// How importance best trains its candidates: as in fine-tuning.
    pub training: TrainConfig,
}

impl PruneConfig {
    /// Whether the choice of channels needs labelled images.
    pub fn needs_labels(&self) -> bool {
        matches!(self.score.importance, Importance::Taylor | Importance::Best)
    }
}

impl PruneExtras {
    /// Checks the ranges.
    ///
    /// # Errors
    /// Names the setting, its value and the range.
    pub fn check(&self) -> Result<()> {
        check_range("reconstruct", &self.reconstruct, 0..=*COUNTS.end())?;
        check_range("recalibrate", &self.recalibrate, 0..=*COUNTS.end())?;
        check_range("gradient_batches", &self.gradient_batches, COUNTS)?;
        check_range("trial_steps", &self.trial_steps, COUNTS)?;
        ensure_usage!(
            self.dense_importance != Importance::Best,
            "extras.dense_importance is best, but it is used only in place of gamma, when one ranking was asked for: \
             name one ranking, or set score.importance=best"
        );
        ensure_usage!(
            self.latency_in != EnginePrecision::Fp16,
            "extras.latency_in is fp16, but CPU engines are in fp32 or int8"
        );
        check_range("batch", &self.batch, BATCH)
    }
}
