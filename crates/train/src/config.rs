//! Knobs of a training, by Ultralytics' names.

use bonsai_checkpoint::Progress;
use bonsai_yolov8::LossGains;
use serde::{Deserialize, Serialize};

use crate::{Freeze, Optimizer, TrainError};

/// How to train. Defaults are those of Ultralytics 8.0 unless a field says otherwise.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainConfig {
    /// Passes over the training split.
    pub epochs: usize,
    /// Images per forward pass.
    pub batch: usize,
    /// Images per optimiser step: gradients of `nbs / batch` batches are added up.
    pub nbs: usize,
    /// Learning rate after warm-up.
    pub lr0: f64,
    /// Learning rate at the end, as a share of `lr0`.
    pub lrf: f64,
    /// Cosine instead of linear decay.
    pub cos_lr: bool,
    /// What makes steps of gradients.
    pub optimizer: Optimizer,
    /// Momentum of SGD, beta1 of AdamW.
    pub momentum: f64,
    /// Weight decay of convolution kernels at `nbs` images per step.
    pub weight_decay: f64,
    /// Length of the warm-up; fractions are fine.
    pub warmup_epochs: f64,
    /// Fewest batches of warm-up (8.0 has 100), unless `warmup_epochs` is 0.
    pub warmup_min_batches: usize,
    /// Momentum of SGD at the start of warm-up.
    pub warmup_momentum: f64,
    /// Learning rate of biases at the start of warm-up; the others start at 0.
    pub warmup_bias_lr: f64,
    /// Largest global gradient norm.
    pub clip_norm: f64,
    /// Weights of the loss parts.
    pub gains: LossGains,
    /// Evaluate every so many epochs, and after the last.
    pub val_period: usize,
    /// Stop where the best epoch is so many epochs ago, as judged (8.4 has 100); 0 never stops.
    pub patience: usize,
    /// Layers that are not trained.
    pub freeze: Freeze,
    /// Seed, recorded in the checkpoint; the trainer itself draws nothing.
    pub seed: u64,
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            epochs: 100,
            batch: 16,
            nbs: 64,
            lr0: 0.01,
            lrf: 0.01,
            cos_lr: false,
            optimizer: Optimizer::Sgd,
            momentum: 0.937,
            weight_decay: 5e-4,
            warmup_epochs: 3.0,
            warmup_min_batches: 100,
            warmup_momentum: 0.8,
            warmup_bias_lr: 0.1,
            clip_norm: 10.0,
            gains: LossGains::default(),
            val_period: 1,
            patience: 50,
            freeze: Freeze::default(),
            seed: 0,
        }
    }
}

impl TrainConfig {
    /// Whether the weights are judged after so many epochs.
    pub(crate) fn judges(&self, epochs: usize) -> bool {
        epochs == self.epochs || epochs.is_multiple_of(self.val_period)
    }

    /// Whether patience ends a training that was just judged; the epoch of the best, from 1.
    pub fn out_of_patience(&self, progress: &Progress) -> Option<usize> {
        let best = progress.best_epoch?;
        (self.patience > 0 && progress.epoch.saturating_sub(best) >= self.patience).then_some(best)
    }

    /// Checks the ranges.
    ///
    /// # Errors
    /// [`TrainError::Config`] with the field, its value and what it may be.
    pub fn check(&self) -> Result<(), TrainError> {
        let counts = [
            ("epochs", self.epochs),
            ("batch", self.batch),
            ("nbs", self.nbs),
            ("val_period", self.val_period),
        ];
        for (field, value) in counts {
            if value == 0 {
                return Err(TrainError::Config { field, got: value.to_string(), expected: "at least 1" });
            }
        }
        for (field, value) in [("lr0", self.lr0), ("lrf", self.lrf), ("clip_norm", self.clip_norm)] {
            if !(value.is_finite() && value > 0.0) {
                let got = value.to_string();
                return Err(TrainError::Config { field, got, expected: "a positive number" });
            }
        }
        let shares = [("momentum", self.momentum), ("warmup_momentum", self.warmup_momentum)];
        for (field, value) in shares {
            if !(0.0..1.0).contains(&value) {
                let got = value.to_string();
                return Err(TrainError::Config { field, got, expected: "at least 0 and below 1" });
            }
        }
        let others = [
            ("weight_decay", self.weight_decay),
            ("warmup_epochs", self.warmup_epochs),
            ("warmup_bias_lr", self.warmup_bias_lr),
        ];
        for (field, value) in others {
            if !(value.is_finite() && value >= 0.0) {
                let got = value.to_string();
                return Err(TrainError::Config { field, got, expected: "a number of at least 0" });
            }
        }
        Ok(())
    }
}
