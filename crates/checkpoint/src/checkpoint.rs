//! [`Checkpoint`]: a detector with its weights and the state of its training.

use std::collections::BTreeMap;

use bonsai_graph::{ModelSpec, Quantization};
use serde::{Deserialize, Serialize};

use crate::{CheckpointError, Weights};

/// A detector with its weights and, if training is to be resumed, the state of its training.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint {
    /// Network, head and class names.
    pub model: ModelSpec,
    /// The weights to deploy: after training, the exponential moving average.
    pub weights: Weights,
    /// Free notes (`imgsz`, origin); no wall-clock time, so that equal content gives equal bytes.
    pub metadata: BTreeMap<String, String>,
    /// State that is needed to resume training.
    pub train: Option<TrainState>,
    /// The 8-bit codes in which the network computes once its batch norm is folded; `None` means that it
    /// computes in `f32`.
    pub quantization: Option<Quantization>,
}

/// The state of a training run between two optimiser steps.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainState {
    /// The weights that the optimiser updates; [`Checkpoint::weights`] is their average.
    pub raw: Weights,
    /// Momentum by parameter name.
    pub momentum: Weights,
    /// Mean square of the gradients by parameter name, if the optimiser keeps one (all but SGD).
    pub second_moment: Option<Weights>,
    /// Counters.
    pub progress: TrainProgress,
}

/// Counters of a training run. Together with the seed they determine the random state and the loader's
/// position.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainProgress {
    /// Epochs completed.
    pub epoch: usize,
    /// Optimiser steps taken.
    pub updates: u64,
    /// Seed of the run.
    pub seed: u64,
    /// Number of batches since the first epoch when the optimiser last stepped; determines the state of
    /// gradient accumulation.
    pub last_step: Option<u64>,
    /// Best fitness so far.
    pub best_fitness: Option<f64>,
    /// Epoch, from 1, with the best fitness; the latest of equal ones.
    #[serde(default)]
    pub best_epoch: Option<usize>,
    /// Batches done in the incomplete epoch.
    #[serde(default)]
    pub batch: usize,
    /// Number of batches of the incomplete epoch; 0 if none of them is done.
    #[serde(default)]
    pub batches: usize,
    /// Sums of the box, class and distribution loss over these batches.
    #[serde(default)]
    pub loss_sums: [f64; 3],
    /// Sum of the distillation loss over these batches.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub distill_sum: f64,
    /// Name of the optimiser; `None` for SGD, and for AdamW, which has a second moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub optimizer: Option<String>,
    /// Mean detection loss of every completed epoch, if these decide the strength of L1.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub losses: Vec<f64>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(sum: &f64) -> bool {
    *sum == 0.0
}

impl Checkpoint {
    /// Combines a model and its weights.
    ///
    /// # Errors
    /// As [`Weights::check`].
    pub fn new(model: ModelSpec, weights: Weights) -> Result<Self, CheckpointError> {
        let weights = weights.check(model.graph())?;
        Ok(Self { model, weights, metadata: BTreeMap::new(), train: None, quantization: None })
    }

    /// The weights to deploy, without the state of a training.
    #[must_use]
    pub fn deployed(&self) -> Self {
        Self {
            model: self.model.clone(),
            weights: self.weights.clone(),
            metadata: self.metadata.clone(),
            train: None,
            quantization: self.quantization.clone(),
        }
    }

    /// The same network computed in `f32`, without the state of a training.
    #[must_use]
    pub fn without_codes(&self) -> Self {
        Self { quantization: None, ..self.deployed() }
    }
}
