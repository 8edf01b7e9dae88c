//! What a checkpoint holds.

use std::collections::BTreeMap;

use bonsai_graph::ModelSpec;
use serde::{Deserialize, Serialize};

use crate::{CheckpointError, Weights};

/// A detector with its weights, and how far its training has come.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint {
    /// Network, head and class names.
    pub model: ModelSpec,
    /// The weights to deploy: after training, the exponential moving average.
    pub weights: Weights,
    /// Free notes (`imgsz`, where it came from); no wall-clock time, so that equal content is equal bytes.
    pub metadata: BTreeMap<String, String>,
    /// What a resumed training needs.
    pub train: Option<TrainState>,
}

/// The state of a training between two optimiser steps.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainState {
    /// The weights that the optimiser moves; [`Checkpoint::weights`] is their average.
    pub raw: Weights,
    /// Momentum by parameter name.
    pub momentum: Weights,
    /// Mean square of the gradients by parameter name, where the optimiser keeps one (AdamW).
    pub second_moment: Option<Weights>,
    /// Counters.
    pub progress: Progress,
}

/// Counters of a training. Together with the seed they fix the random state and the loader's position.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Progress {
    /// Epochs completed.
    pub epoch: usize,
    /// Optimiser steps taken.
    pub updates: u64,
    /// Seed of the run.
    pub seed: u64,
    /// Batches since the first epoch at which the optimiser last stepped; fixes where accumulation stands.
    pub last_step: Option<u64>,
    /// Best fitness so far.
    pub best_fitness: Option<f64>,
    /// Epoch, from 1, that had it; of equals the latest.
    #[serde(default)]
    pub best_epoch: Option<usize>,
    /// Batches done of the epoch that is not complete.
    #[serde(default)]
    pub batch: usize,
    /// Batches that epoch has; 0 where none of it is done.
    #[serde(default)]
    pub batches: usize,
    /// Sums over these batches of the box, class and distribution loss.
    #[serde(default)]
    pub loss_sums: [f64; 3],
    /// Sum over these batches of what a teacher added to the loss.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub distill_sum: f64,
    /// Mean detection loss of every completed epoch, where these decide the strength of L1.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub losses: Vec<f64>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "what serde passes")]
fn is_zero(sum: &f64) -> bool {
    *sum == 0.0
}

impl Checkpoint {
    /// Puts a model and its weights together.
    ///
    /// # Errors
    /// As [`Weights::check`].
    pub fn new(model: ModelSpec, weights: Weights) -> Result<Self, CheckpointError> {
        let weights = weights.check(model.graph())?;
        Ok(Self { model, weights, metadata: BTreeMap::new(), train: None })
    }

    /// The weights to deploy, without the state of a training.
    #[must_use]
    pub fn deployed(&self) -> Self {
        Self {
            model: self.model.clone(),
            weights: self.weights.clone(),
            metadata: self.metadata.clone(),
            train: None,
        }
    }
}
