//! [`Trials`]: short trainings of pruned networks, each followed by the loss on training images that were
//! held back.

use std::ops::ControlFlow;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use bonsai_checkpoint::Checkpoint;
use bonsai_data::{Sample, Split};
use bonsai_train::{EpochRecord, EpochTiming, StepRecord, TrainConfig, TrainError};

use crate::{Data, Objective, RunContext, TrainWatch, train_stage};
use crate::{PruneConfig, PruneExtras};

/// One of this many training images is held back.
const HELD_BACK: usize = 5;
/// Maximum number of images held back; their mean loss is precise enough to rank networks.
const MOST_HELD_BACK: usize = 256;
/// A trial takes at most this part of the optimiser steps of fine-tuning: four trials then cost less than half of it.
const PART: usize = 10;
/// Fraction of the epochs in which the learning rate warms up.
const WARMUP: f64 = 0.25;

/// Images and settings of the trials, the same for every network.
pub(super) struct Trials {
    data: Data,
    config: TrainConfig,
}

impl Trials {
    /// Trials that train on one part of the training images; another part is held back. `None` if one of the two
    /// parts has no labelled image.
    pub(super) fn new(data: &Data, settings: &PruneConfig) -> Option<Self> {
        let training = &settings.training;
        let all = &data.train.samples;
        let is_held_back = |index: usize| index % HELD_BACK == HELD_BACK - 1;
        let part = |held_back: bool| {
            let samples = all.iter().enumerate().filter(|(index, _)| is_held_back(*index) == held_back);
            samples.map(|(_, sample)| sample.clone()).collect::<Vec<Sample>>()
        };
        let wanted = trial_steps(&settings.extras, training, all.len()) * training.nbs;
        let split = |samples: Vec<Sample>, most: usize| {
            // Taken evenly from all images, because files are often sorted by scene.
            let stride = samples.len().div_ceil(most.max(1)).max(1);
            let samples: Vec<Sample> = samples.into_iter().step_by(stride).collect();
            Arc::new(Split { samples, class_names: data.train.class_names.clone() })
        };
        let train = split(part(false), wanted);
        let held_back = split(part(true), MOST_HELD_BACK);
        let is_labelled = |split: &Split| split.samples.iter().any(|sample| !sample.labels.is_empty());
        if !is_labelled(&train) || !is_labelled(&held_back) {
            return None;
        }
        let epochs = wanted.div_ceil(train.samples.len()).max(1);
        let config = TrainConfig {
            epochs,
            patience: 0,
            val_period: epochs,
            warmup_epochs: WARMUP * epochs as f64,
            warmup_min_batches: 0,
            ..training.clone()
        };
        let data = Data { train, val: held_back, ..data.clone() };
        Some(Self { data, config })
    }

    /// The mean loss on the held-back images after a short training; infinite if the training diverges.
    ///
    /// # Errors
    /// If the training fails for another reason.
    pub(super) fn loss(&self, network: &Checkpoint, context: &RunContext) -> Result<f64> {
        // Other processes would not learn that a trial diverged, and few batches need no help.
        let alone = RunContext { ranks: None, ..context.clone() };
        // This process has memory for its part of a batch; more batches are accumulated for a step.
        let config =
            TrainConfig { batch: context.evaluation_batch(self.config.batch), ..self.config.clone() };
        let trained = train_stage(network, &self.data, &config, Objective::Detection, &alone, &mut Silent);
        let trained = match trained {
            Ok(trained) => trained,
            Err(error) if matches!(error.downcast_ref(), Some(TrainError::Diverged { .. })) => {
                return Ok(f64::INFINITY);
            }
            Err(error) => return Err(error),
        };
        let last = trained.history.last().and_then(|record| record.evaluation);
        let losses = last
            .and_then(|evaluation| evaluation.losses)
            .context("the last epoch of the trial has no loss")?;
        Ok(losses.bbox + losses.cls + losses.dfl)
    }
}

/// Optimiser steps of one trial: `extras.trial_steps`, but at most a tenth of those of fine-tuning on `images` images.
pub fn trial_steps(extras: &PruneExtras, training: &TrainConfig, images: usize) -> usize {
    let steps = training.epochs * images.div_ceil(training.nbs.max(1));
    extras.trial_steps.min((steps / PART).max(1))
}

/// Ignores the events of a trial, because its epochs are not those of the run.
struct Silent;

impl TrainWatch for Silent {
    fn note(&mut self, _: &str) {}

    fn step(&mut self, _: &StepRecord) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    fn epoch(&mut self, _: &EpochRecord, _: &EpochTiming, _: &Checkpoint) -> Result<()> {
        Ok(())
    }
}
