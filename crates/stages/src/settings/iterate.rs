//! [`IterateSettings`]: pruning in steps.

use bonsai_prune::Iteration;
use serde::{Deserialize, Serialize};

/// Pruning in steps.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct IterateSettings {
    /// Steps towards the whole; 1 prunes at once, without recovery within the stage.
    pub steps: usize,
    /// Largest loss of mAP50-95 after recovery, against the network before the first step, that is accepted.
    pub max_map_drop: f64,
    /// Epochs of fine-tuning after each step; all else is as in fine-tuning.
    pub epochs: usize,
}

impl Default for IterateSettings {
    /// At once; limit and epochs are those of Torch-Pruning's example.
    fn default() -> Self {
        Self { steps: 1, max_map_drop: Iteration::default().max_map_drop, epochs: 10 }
    }
}
