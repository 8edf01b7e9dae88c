//! [`Observer`]: receives records while a training runs.

use std::ops::ControlFlow;

use bonsai_checkpoint::Checkpoint;
use bonsai_yolov8::LossItems;
use serde::{Deserialize, Serialize};

/// Metrics of the averaged weights on the validation split; fractions in 0..=1.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Evaluation {
    /// Mean average precision at IoU 0.5.
    pub map50: f64,
    /// Mean average precision over IoU 0.5 to 0.95.
    pub map50_95: f64,
    /// Precision at the confidence with the best mean F1.
    pub precision: f64,
    /// Recall at the confidence with the best mean F1.
    pub recall: f64,
    /// Losses on the validation split, if the evaluation computes them.
    #[serde(default)]
    pub losses: Option<MeanLosses>,
}

/// Means of the loss parts over batches, including gains.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MeanLosses {
    /// Box part.
    pub bbox: f64,
    /// Class part.
    pub cls: f64,
    /// Distribution part.
    pub dfl: f64,
}

impl Evaluation {
    /// The value that decides which weights are best: 0.1 mAP50 + 0.9 mAP50-95, as in Ultralytics 8.0.
    pub fn fitness(&self) -> f64 {
        0.1 * self.map50 + 0.9 * self.map50_95
    }
}

/// The record of one batch.
#[derive(Debug, Clone, Copy)]
pub struct StepRecord {
    /// Epoch from 1.
    pub epoch: usize,
    /// Total number of epochs.
    pub epochs: usize,
    /// Batch of the epoch, from 1.
    pub batch: usize,
    /// Batches of an epoch.
    pub batches: usize,
    /// Loss parts of this batch.
    pub loss: LossItems,
    /// Objects in this batch.
    pub instances: usize,
    /// Images in this batch.
    pub images: usize,
    /// The longer side of its images, in pixels.
    pub imgsz: usize,
}

/// The record of one epoch. Equal trainings give equal records.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct EpochRecord {
    /// Epoch from 1.
    pub epoch: usize,
    /// Total number of epochs.
    pub epochs: usize,
    /// Mean box loss.
    pub box_loss: f64,
    /// Mean class loss.
    pub cls_loss: f64,
    /// Mean distribution loss.
    pub dfl_loss: f64,
    /// Learning rate of kernels and gammas at the end: `lr/pg1` and `lr/pg2` of Ultralytics' `results.csv`.
    pub lr: f64,
    /// Learning rate of biases and betas at the end: `lr/pg0`.
    pub bias_lr: f64,
    /// Strength of L1 on gamma, per optimiser step or per batch, see [`Penalty::per`](crate::Penalty::per).
    pub l1_gamma: f64,
    /// Mean loss against the teacher over the batches, per image like the other parts; `None` without a
    /// teacher.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distill_loss: Option<f64>,
    /// Validation metrics, if this epoch was evaluated.
    pub evaluation: Option<Evaluation>,
}

/// The duration of one epoch. It is separate from [`EpochRecord`], which is the same in every run.
///
/// For an epoch that was interrupted, only the time after resuming counts.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct EpochTiming {
    /// Seconds from its first batch to the end of its evaluation.
    pub seconds: f64,
    /// Seconds of these that the trainer waited for the [`BatchSource`](crate::BatchSource).
    pub waiting: f64,
    /// Seconds of these spent in the evaluation.
    pub evaluating: f64,
}

/// Receives records of a training and can end it.
pub trait Observer {
    /// Called after each batch. `Break` ends the training at the next optimiser step, or after the last batch
    /// of the epoch if that is sooner; [`Trained::last`](crate::Trained::last) can be resumed from there. The
    /// epoch is not evaluated.
    fn on_step(&mut self, _: &StepRecord) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    /// Called after each complete epoch, with a checkpoint from which the training can be resumed. Its
    /// weights are the best so far if [`best_epoch`](bonsai_checkpoint::TrainProgress::best_epoch) is this epoch.
    ///
    /// # Errors
    /// An error of the observer, for instance if it cannot save; the error ends the training.
    fn on_epoch(
        &mut self,
        _: &EpochRecord,
        _: &EpochTiming,
        _last: &Checkpoint,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        Ok(())
    }
}

/// An observer that does nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoObserver;

impl Observer for NoObserver {}
