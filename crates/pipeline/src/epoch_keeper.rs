//! [`EpochKeeper`]: saves a training after every epoch, so that it can resume.
//!
//! Files are written in the order best, records, last, each whole or not at all. If the process is killed
//! between two of them, the training resumes from `last` and repeats one epoch, to the same bits.

use std::ops::ControlFlow;
use std::path::PathBuf;

use anyhow::Result;
use bonsai_checkpoint::Checkpoint;
use bonsai_data::Batch;
use bonsai_stages::TrainWatch;
use bonsai_train::{EpochRecord, EpochTiming, StepRecord, Stopped, TrainConfig};

use crate::Progress;

/// What a training writes besides its weights.
pub(crate) trait EpochRecords {
    /// Adds an epoch.
    fn push(&mut self, record: &EpochRecord, timing: &EpochTiming, last: &Checkpoint) -> Result<()>;

    /// Writes the files.
    fn save(&self) -> Result<()>;

    /// Looks at an augmented batch before the network does.
    fn batch(&mut self, epoch: usize, number: usize, batch: &Batch) {
        let _ = (epoch, number, batch);
    }
}

/// Saves weights and records of a training after every epoch, and reports its progress.
pub(crate) struct EpochKeeper<'a, R> {
    /// File for the averaged weights of the best epoch.
    pub(crate) best: PathBuf,
    /// File for the latest weights, with the state that the training needs to resume.
    pub(crate) last: PathBuf,
    pub(crate) records: R,
    pub(crate) progress: &'a mut dyn Progress,
}

impl<R: EpochRecords> EpochKeeper<'_, R> {
    /// Saves the records, then the state of a training.
    pub(crate) fn save_last(&self, last: &Checkpoint) -> Result<()> {
        self.records.save()?;
        Ok(last.save(&self.last)?)
    }
}

impl<R: EpochRecords> TrainWatch for EpochKeeper<'_, R> {
    fn note(&mut self, text: &str) {
        self.progress.note(text);
    }

    fn batch(&mut self, epoch: usize, number: usize, batch: &Batch) {
        self.records.batch(epoch, number, batch);
    }

    fn step(&mut self, step: &StepRecord) -> ControlFlow<()> {
        self.progress.step(step);
        if self.progress.stop() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn epoch(&mut self, record: &EpochRecord, timing: &EpochTiming, last: &Checkpoint) -> Result<()> {
        self.records.push(record, timing, last)?;
        if last.train.as_ref().is_some_and(|state| state.progress.best_epoch == Some(record.epoch)) {
            last.deployed().save(&self.best)?;
        }
        self.save_last(last)?;
        self.progress.epoch(record, timing);
        Ok(())
    }
}

/// Why a saved training is complete, if it is: the process was killed after its last epoch.
pub(crate) fn ended(saved: &Checkpoint, config: &TrainConfig) -> Option<Stopped> {
    let progress = &saved.train.as_ref()?.progress;
    if progress.epoch >= config.epochs {
        return Some(Stopped::Finished);
    }
    config.out_of_patience(progress).map(|_| Stopped::Patience)
}
