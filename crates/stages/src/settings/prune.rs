//! [`PruneSettings`]: everything that the pruning stage is configured with.

use std::ops::RangeInclusive;

use anyhow::Result;
use bonsai_prune::{Importance, PrunePolicy, ScoreConfig};
use bonsai_train::TrainConfig;
use serde::{Deserialize, Serialize};

use super::{COUNTS, check_range};

/// Images in a batch.
const BATCH: RangeInclusive<usize> = 1..=65_536;

/// What is done when channels go, beside removing them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PruneExtras {
    /// Whether the layers behind removed channels take over the constants that these still emitted.
    pub compensate: bool,
    /// Batches of training images over which running statistics are measured anew; 0 leaves them.
    pub recalibrate: usize,
    /// Batches of training images over which gradients are added up, for importance taylor.
    pub gradient_batches: usize,
    /// Images in such a batch.
    pub batch: usize,
    /// Optimiser steps that the network of each candidate is trained for under importance best, before its loss is measured
    /// on training images that are held back.
    pub trial_steps: usize,
    /// What a run ranks channels by in place of gamma where sparsity training was too short to tell them apart: gamma
    /// leaves it at that.
    pub dense_importance: Importance,
}

impl Default for PruneExtras {
    fn default() -> Self {
        Self {
            compensate: true,
            recalibrate: 0,
            gradient_batches: 8,
            batch: 8,
            trial_steps: 40,
            // Where five epochs moved gammas by 0.04, a YOLOv8s of half the MACs kept 0.59 of mAP50 behind the first epoch of
            // fine-tuning with it, and nothing with gamma.
            dense_importance: Importance::Taylor,
        }
    }
}

/// All that pruning is told.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct PruneSettings {
    /// What makes channels matter.
    pub score: ScoreConfig,
    /// Which go.
    pub policy: PrunePolicy,
    /// What else is done.
    pub extras: PruneExtras,
    /// How the networks of importance best are trained on trial: as in fine-tuning.
    pub training: TrainConfig,
}

impl PruneSettings {
    /// Whether the choice of channels needs labelled images.
    pub fn needs_labels(&self) -> bool {
        matches!(self.score.importance, Importance::Taylor | Importance::Best)
    }
}

impl PruneExtras {
    /// Checks the ranges.
    ///
    /// # Errors
    /// With the setting, its value and the range.
    pub fn check(&self) -> Result<()> {
        check_range("recalibrate", &self.recalibrate, 0..=*COUNTS.end())?;
        check_range("gradient_batches", &self.gradient_batches, COUNTS)?;
        check_range("trial_steps", &self.trial_steps, COUNTS)?;
        check_range("batch", &self.batch, BATCH)
    }
}
