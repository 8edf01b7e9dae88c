//! [`DistillConfig`]: the teacher, and which of its outputs the training imitates.

use anyhow::Result;
use bonsai_yolov8::{DistillGains, ImitationConfig};
use serde::{Deserialize, Serialize};

use crate::ensure_usage;

/// Distillation during fine-tuning.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DistillConfig {
    /// Which outputs of the teacher are imitated.
    pub imitate: Imitate,
    /// A checkpoint with the same classes, of any width or scale. Default: the run's best network before
    /// pruning.
    pub teacher: Option<String>,
    /// Weights of the loss parts of [`Imitate::Logits`].
    pub gains: DistillGains,
    /// Temperature and weight of [`Imitate::Features`].
    pub features: ImitationConfig,
}

/// The outputs of the teacher that are imitated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Imitate {
    /// Nothing: there is no teacher.
    #[default]
    None,
    /// The raw outputs of the head (BCKD, arXiv 2308.14286).
    Logits,
    /// The inputs of the head, channel by channel (CWD, arXiv 2011.13256). The pruning plan maps each channel
    /// of the student to one of the teacher, so the teacher must be the run's own dense network.
    Features,
    /// Raw outputs and features.
    Both,
}

impl Imitate {
    /// Whether raw outputs are imitated.
    pub const fn logits(self) -> bool {
        matches!(self, Self::Logits | Self::Both)
    }

    /// Whether features are imitated.
    pub const fn features(self) -> bool {
        matches!(self, Self::Features | Self::Both)
    }
}

impl DistillConfig {
    /// Whether there is a teacher.
    pub fn is_on(&self) -> bool {
        self.imitate != Imitate::None
    }

    /// Checks the ranges and the combination of settings.
    ///
    /// # Errors
    /// Names the setting, its value and the range, or the settings that do not fit together.
    pub fn check(&self) -> Result<()> {
        ensure_usage!(
            self.is_on() || self.teacher.is_none(),
            "distill.teacher is given, but distill.imitate is none: set it to logits, or leave distill.teacher out"
        );
        ensure_usage!(
            !self.imitate.features() || self.teacher.is_none(),
            "distill.imitate is {}, and features are those of the run's own dense network, whose channels the student has kept: \
             leave distill.teacher out, or imitate logits",
            if self.imitate.logits() { "both" } else { "features" }
        );
        self.features.check()?;
        Ok(self.gains.check()?)
    }
}
