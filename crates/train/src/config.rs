//! [`TrainConfig`]: settings of a training, with Ultralytics' names.

use bonsai_checkpoint::TrainProgress;
use bonsai_yolov8::LossGains;
use serde::{Deserialize, Serialize};

use crate::{Freeze, Optimizer, TrainError, batch_size};

/// Upper limit for counts over a training.
const MOST: usize = 1_000_000;
/// Upper limit for images in a forward pass and for modules of a network.
const MOST_IMAGES: usize = 65_536;
/// Largest rate, gain or norm; larger values overflow 32-bit floats within a few steps.
const LARGEST: f64 = 1e6;

/// Settings of a training. Defaults are those of Ultralytics 8.0 unless a field says otherwise.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainConfig {
    /// Passes over the training split.
    pub epochs: usize,
    /// Images per forward pass; [`FITTING_BATCH`](Self::FITTING_BATCH) must be replaced before training.
    #[serde(with = "crate::batch_size")]
    pub batch: usize,
    /// Images per optimiser step: gradients of `nbs / batch` batches are accumulated.
    pub nbs: usize,
    /// Learning rate after warm-up.
    pub lr0: f64,
    /// Learning rate at the end, as a fraction of `lr0`.
    pub lrf: f64,
    /// Cosine instead of linear decay.
    pub cos_lr: bool,
    /// The optimiser.
    pub optimizer: Optimizer,
    /// Momentum of SGD and `RMSProp`, beta1 of the Adams.
    pub momentum: f64,
    /// Weight decay of convolution kernels at `nbs` images per step.
    pub weight_decay: f64,
    /// Length of the warm-up in epochs; may be fractional.
    pub warmup_epochs: f64,
    /// Minimum number of warm-up batches (100 in Ultralytics 8.0), unless `warmup_epochs` is 0.
    pub warmup_min_batches: usize,
    /// Momentum of SGD and `RMSProp` at the start of warm-up.
    pub warmup_momentum: f64,
    /// Learning rate of biases at the start of warm-up; all other learning rates start at 0.
    pub warmup_bias_lr: f64,
    /// Largest global gradient norm.
    pub clip_norm: f64,
    /// Weights of the loss parts.
    pub gains: LossGains,
    /// Power of the inverse class frequencies that weight the class part of the loss: 0 for equal weights, 1 for the
    /// inverse frequency; see [`ClassWeights`](bonsai_yolov8::ClassWeights).
    pub cls_pw: f64,
    /// Number of epochs between evaluations; the last epoch is always evaluated.
    pub val_period: usize,
    /// Stop if the best epoch by evaluation is this many epochs ago (100 in Ultralytics 8.4); 0 never stops.
    pub patience: usize,
    /// Layers whose parameters are not trained.
    pub freeze: Freeze,
    /// Quantisation-aware training: convolutions round their weights and inputs to 8-bit codes, and the trained
    /// network computes in these codes.
    pub qat: bool,
    /// Seed, recorded in the checkpoint; the trainer itself uses no random numbers.
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
            cls_pw: 0.0,
            val_period: 1,
            patience: 50,
            freeze: Freeze::default(),
            qat: false,
            seed: 0,
        }
    }
}

impl TrainConfig {
    /// The batch that stands for as many images as fit the memory; written as -1.
    pub const FITTING_BATCH: usize = batch_size::FITTING;

    /// Whether the weights are evaluated after `epochs` epochs.
    pub(crate) fn evaluates_after(&self, epochs: usize) -> bool {
        epochs == self.epochs || epochs.is_multiple_of(self.val_period)
    }

    /// The best epoch (from 1), if patience ends a training that was just evaluated; otherwise `None`.
    pub fn out_of_patience(&self, progress: &TrainProgress) -> Option<usize> {
        let best = progress.best_epoch?;
        (self.patience > 0 && progress.epoch.saturating_sub(best) >= self.patience).then_some(best)
    }

    /// Checks that every number of the configuration is within its range.
    ///
    /// # Errors
    /// [`TrainError::Config`] with the field, its value and the accepted range.
    pub fn check(&self) -> Result<(), TrainError> {
        if self.batch == Self::FITTING_BATCH {
            let expected = format!(
                "from 1 to {MOST_IMAGES}; only the commands that train a single network choose it by the memory"
            );
            return refuse("batch", &-1, expected);
        }
        let counts = [
            ("epochs", self.epochs, 1, MOST),
            ("batch", self.batch, 1, MOST_IMAGES),
            ("nbs", self.nbs, 1, MOST),
            ("val_period", self.val_period, 1, MOST),
            ("warmup_min_batches", self.warmup_min_batches, 0, MOST),
        ];
        if let Freeze::First(modules) = self.freeze
            && modules > MOST_IMAGES
        {
            return refuse("freeze", &modules, format!("from 0 to {MOST_IMAGES}"));
        }
        for (field, value, least, most) in counts {
            if !(least..=most).contains(&value) {
                return refuse(field, &value, format!("from {least} to {most}"));
            }
        }
        let rates = [("lr0", self.lr0), ("lrf", self.lrf), ("clip_norm", self.clip_norm)];
        for (field, value) in rates {
            if !(value > 0.0 && value <= LARGEST) {
                return refuse(field, &value, format!("a positive number, at most {LARGEST}"));
            }
        }
        let shares = [("momentum", self.momentum), ("warmup_momentum", self.warmup_momentum)];
        for (field, value) in shares {
            if !(0.0..1.0).contains(&value) {
                return refuse(field, &value, "at least 0 and below 1".to_owned());
            }
        }
        if !(0.0..=1.0).contains(&self.cls_pw) {
            return refuse("cls_pw", &self.cls_pw, "from 0 to 1".to_owned());
        }
        let LossGains { bbox, cls, dfl } = self.gains;
        let others = [
            ("weight_decay", self.weight_decay),
            ("warmup_epochs", self.warmup_epochs),
            ("warmup_bias_lr", self.warmup_bias_lr),
            ("gains.bbox (box)", f64::from(bbox)),
            ("gains.cls (cls)", f64::from(cls)),
            ("gains.dfl (dfl)", f64::from(dfl)),
        ];
        for (field, value) in others {
            if !(0.0..=LARGEST).contains(&value) {
                return refuse(field, &value, format!("a number of at least 0, at most {LARGEST}"));
            }
        }
        if bbox + cls + dfl == 0.0 {
            let expected =
                "above 0 for at least one of bbox, cls and dfl, otherwise there is nothing to learn"
                    .to_owned();
            return refuse("gains", &"0", expected);
        }
        Ok(())
    }
}

pub(crate) fn refuse(field: &'static str, got: &impl ToString, expected: String) -> Result<(), TrainError> {
    Err(TrainError::Config { field, got: got.to_string(), expected })
}
