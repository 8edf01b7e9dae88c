//! Distillation as it is configured: what of a teacher a training imitates, and which network that is.

use anyhow::Result;
use bonsai_yolov8::{DistillGains, ImitationSettings};
use serde::{Deserialize, Serialize};

use crate::ensure_usage;

/// Distillation during fine-tuning.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DistillSettings {
    /// What is imitated.
    pub imitate: Imitate,
    /// A checkpoint of the same classes, of any width or scale; without it the best dense ancestor of the run.
    pub teacher: Option<String>,
    /// Weights of the parts of [`Imitate::Logits`].
    pub gains: DistillGains,
    /// Temperature and weight of [`Imitate::Features`].
    pub features: ImitationSettings,
}

/// What of a teacher is imitated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Imitate {
    /// Nothing: there is no teacher.
    #[default]
    None,
    /// The raw outputs of the head (BCKD, arXiv 2308.14286).
    Logits,
    /// What the head reads, channel by channel (CWD, arXiv 2011.13256). The plan of the pruning says which channel of the teacher
    /// each of the student's was, so the teacher is the run's own.
    Features,
    /// Both.
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

impl DistillSettings {
    /// Whether there is a teacher.
    pub fn is_on(&self) -> bool {
        self.imitate != Imitate::None
    }

    /// Checks the ranges.
    ///
    /// # Errors
    /// With the setting, its value and the range.
    pub fn check(&self) -> Result<()> {
        ensure_usage!(
            self.is_on() || self.teacher.is_none(),
            "distill.teacher is given, but distill.imitate is none: set it to logits, or leave the teacher out"
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
