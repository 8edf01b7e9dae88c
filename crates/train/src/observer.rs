//! What a training tells while it runs.

use std::ops::ControlFlow;

use bonsai_checkpoint::Checkpoint;
use bonsai_yolov8::LossItems;
use serde::{Deserialize, Serialize};

/// How good the averaged weights are on the validation split; fractions in 0..=1.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Evaluation {
    /// Mean average precision at IoU 0.5.
    pub map50: f64,
    /// Mean average precision over IoU 0.5 to 0.95.
    pub map50_95: f64,
    /// Precision at the best mean F1.
    pub precision: f64,
    /// Recall at the best mean F1.
    pub recall: f64,
    /// Losses on the validation split, where the evaluation computes them.
    #[serde(default)]
    pub losses: Option<MeanLosses>,
}

/// Means of the loss parts over batches, gains included.
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
    /// What decides which weights are best: a tenth mAP50 and nine tenths mAP50-95, as Ultralytics 8.0.
    pub fn fitness(&self) -> f64 {
        0.1 * self.map50 + 0.9 * self.map50_95
    }
}

/// One batch.
#[derive(Debug, Clone, Copy)]
pub struct StepRecord {
    /// Epoch from 1.
    pub epoch: usize,
    /// Epochs in all.
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

/// One epoch. Equal trainings give equal records.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct EpochRecord {
    /// Epoch from 1.
    pub epoch: usize,
    /// Epochs in all.
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
    /// Strength of L1 on gamma, per optimiser step or batch as [`Penalty::per`](crate::Penalty::per) says.
    pub l1_gamma: f64,
    /// Mean over its batches of what a teacher added to the loss, per image as the other parts; where there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distill_loss: Option<f64>,
    /// Validation, where this epoch had one.
    pub evaluation: Option<Evaluation>,
}

/// How long one epoch took; apart from [`EpochRecord`], which says the same in every run.
///
/// Of an epoch that was interrupted, only what came after.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct EpochTiming {
    /// Seconds from its first batch to the end of its evaluation.
    pub seconds: f64,
    /// Of these, seconds without a batch: waiting for the [`BatchSource`](crate::BatchSource).
    pub waiting: f64,
    /// Of these, seconds in the evaluation.
    pub evaluating: f64,
}

/// Watches a training; may end it.
pub trait Observer {
    /// After each batch. `Break` ends the training at the next optimiser step, or with the epoch's batches if that is
    /// sooner; [`Trained::last`](crate::Trained::last) then goes on from there. The epoch is not evaluated.
    fn on_step(&mut self, _: &StepRecord) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    /// After each complete epoch, with a checkpoint from which the training can go on. Its weights are the best so far
    /// where [`best_epoch`](bonsai_checkpoint::Progress::best_epoch) is this epoch.
    ///
    /// # Errors
    /// Whatever keeps the observer from saving; it ends the training.
    fn on_epoch(
        &mut self,
        _: &EpochRecord,
        _: &EpochTiming,
        _last: &Checkpoint,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        Ok(())
    }
}

/// Watches nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoObserver;

impl Observer for NoObserver {}
