//! Distillation as it is configured: what of a teacher a training imitates, and which network that is.

use anyhow::Result;
use bonsai_yolov8::DistillGains;
use serde::{Deserialize, Serialize};

use crate::misuse::demand;

/// Distillation during fine-tuning.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DistillSettings {
    /// What is imitated.
    pub imitate: Imitate,
    /// A checkpoint of the same classes, of any width or scale; without it the best dense ancestor of the run.
    pub teacher: Option<String>,
    /// Weights of the parts.
    pub gains: DistillGains,
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
        demand!(
            self.is_on() || self.teacher.is_none(),
            "distill.teacher is given, but distill.imitate is none: set it to logits, or leave the teacher out"
        );
        Ok(self.gains.check()?)
    }
}
