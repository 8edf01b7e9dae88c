//! [`RunRecords`]: the records of one training, and the pictures of its batches.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;

use anyhow::Result;
use bonsai_checkpoint::Checkpoint;
use bonsai_data::{Batch, Split};
use bonsai_train::{EpochRecord, EpochTiming};

use super::pictures::{self, Sheet};
use super::{Results, TrainDir, TrainRunConfig};
use crate::epoch_keeper::EpochRecords;
use crate::{GammaHistory, Progress};

/// The table of a training, and the gammas of a sparsity training.
#[derive(Debug, Default)]
pub(super) struct History {
    pub(super) results: Results,
    pub(super) gammas: GammaHistory,
}

/// Records of a training; draws its first batches.
pub(super) struct RunRecords<'a> {
    pub(super) args: &'a TrainRunConfig,
    pub(super) dir: &'a TrainDir,
    pub(super) split: Arc<Split>,
    pub(super) history: History,
    pub(super) drawing: Vec<(PathBuf, JoinHandle<Result<()>>)>,
}

impl RunRecords<'_> {
    /// Waits for the pictures. A picture that cannot be written does not stop the training.
    pub(super) fn finish_pictures(&mut self, progress: &mut dyn Progress) {
        for (path, drawing) in self.drawing.drain(..) {
            let why = match drawing.join() {
                Ok(Ok(())) => continue,
                Ok(Err(error)) => format!("{error:#}"),
                Err(_) => "its thread panicked".to_owned(),
            };
            progress.note(&format!("warning: {} was not drawn: {why}", path.display()));
        }
    }
}

impl EpochRecords for RunRecords<'_> {
    fn push(&mut self, record: &EpochRecord, timing: &EpochTiming, last: &Checkpoint) -> Result<()> {
        self.history.results.push(record, timing);
        if self.args.l1.is_some() {
            self.history.gammas.push(record.epoch, last)?;
        }
        let period = self.args.save_period;
        if period > 0 && record.epoch.is_multiple_of(period) {
            last.deployed().save(self.dir.epoch(record.epoch))?;
        }
        Ok(())
    }

    fn save(&self) -> Result<()> {
        self.history.results.save(&self.dir.results_csv())?;
        if self.args.l1.is_some() {
            self.history.gammas.save(&self.dir.gammas())?;
        }
        Ok(())
    }

    fn batch(&mut self, epoch: usize, number: usize, batch: &Batch) {
        let closed = self.args.train.epochs.saturating_sub(self.args.close_mosaic);
        let closes = self.args.close_mosaic > 0 && epoch == closed && closed > 0;
        if self.args.plots && number < pictures::SHOWN_BATCHES && (epoch == 0 || closes) {
            let count = if closes { pictures::SHOWN_BATCHES + number } else { number };
            let path = self.dir.picture(&format!("train_batch{count}.jpg"));
            // Draw in another thread, because the trainer waits for this function.
            let sheet = Sheet::labelled(batch, &self.split);
            let split = Arc::clone(&self.split);
            let to = path.clone();
            self.drawing.push((path, std::thread::spawn(move || sheet.write(&split.class_names, &to))));
        }
    }
}
