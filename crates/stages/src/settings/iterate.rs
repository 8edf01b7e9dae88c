//! [`IterateConfig`]: pruning in steps.

use bonsai_prune::Iteration;
use serde::{Deserialize, Serialize};

/// Settings for pruning in steps.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct IterateConfig {
    /// Number of steps; 1 prunes at once, without fine-tuning within the stage.
    pub steps: usize,
    /// Largest accepted drop of mAP50-95 after fine-tuning, compared with the network before the first step.
    pub max_map_drop: f64,
    /// Epochs of fine-tuning after each step; all other settings are those of fine-tuning.
    pub epochs: usize,
}

impl Default for IterateConfig {
    /// A single step; limit and epochs are those of Torch-Pruning's example.
    fn default() -> Self {
        Self { steps: 1, max_map_drop: Iteration::default().max_map_drop, epochs: 10 }
    }
}
