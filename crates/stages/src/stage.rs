//! [`Stage`]: the stages of a pipeline run, in order.

use std::fmt;
use std::str::FromStr;

use bonsai_exec::UnknownName;
use serde::{Deserialize, Serialize};

/// The stages, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Find or draw the dataset.
    Dataset,
    /// Train.
    Baseline,
    /// Continue training the baseline without pruning, for comparison with pruned networks.
    Control,
    /// Continue training with L1.
    Sparse,
    /// Remove channels.
    Prune,
    /// Continue training without L1.
    Finetune,
    /// Write ONNX files.
    Export,
    /// Build engines.
    Engine,
    /// Measure and write the report.
    Report,
}

impl Stage {
    /// All stages that a run can have, in order.
    pub const ALL: [Self; 9] = [
        Self::Dataset,
        Self::Baseline,
        Self::Control,
        Self::Sparse,
        Self::Prune,
        Self::Finetune,
        Self::Export,
        Self::Engine,
        Self::Report,
    ];

    /// The name, which is also the folder in the run directory.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Dataset => "dataset",
            Self::Baseline => "baseline",
            Self::Control => "control",
            Self::Sparse => "sparse",
            Self::Prune => "prune",
            Self::Finetune => "finetune",
            Self::Export => "export",
            Self::Engine => "engine",
            Self::Report => "report",
        }
    }

    /// Whether the stage trains, so that it can resume after an interruption.
    pub const fn is_training(self) -> bool {
        match self {
            Self::Baseline | Self::Control | Self::Sparse | Self::Finetune => true,
            Self::Dataset | Self::Prune | Self::Export | Self::Engine | Self::Report => false,
        }
    }
}

impl FromStr for Stage {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        let names = || Self::ALL.map(Self::name).join(", ");
        Self::ALL
            .into_iter()
            .find(|stage| stage.name() == text)
            .ok_or_else(|| UnknownName::new("stage", text, format!("one of {}", names())))
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
