//! [`train_in`]: a training stage that can be interrupted, and [`keep_given`]: one without epochs. After every epoch its folder holds all that is
//! needed to resume.
//!
//! [`EpochKeeper`] writes the files.

use std::path::Path;

use anyhow::Result;
use bonsai_checkpoint::Checkpoint;
use bonsai_stages::{TrainWatch, load_json, save_json, write_picture};
use bonsai_train::{EpochRecord, EpochTiming, Evaluation, Stopped, TrainConfig, Trained};

use crate::attempts::{Attempts, Clock};
use crate::epoch_keeper::{EpochKeeper, EpochRecords, ended};
use crate::gamma_history::GammaHistory;
use crate::run_dir::{BEST, GAMMAS, HISTORY, LAST};
use crate::training::{Results, pictures};
use crate::{DetMetrics, Progress, Stage};

/// The error of a run that stopped on request; the same command resumes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("stopped on request; nothing is lost: the same command resumes inside stage `{stage}`")]
pub struct Interrupted {
    /// The stage that is not complete.
    pub stage: Stage,
}

/// Trains in `folder`, from `start` or from the files that an earlier attempt left there.
///
/// # Errors
/// If the training fails or a file cannot be written; [`Interrupted`] if the progress asked for a stop.
pub(crate) fn train_in(
    folder: &Path,
    stage: Stage,
    config: &TrainConfig,
    progress: &mut dyn Progress,
    start: impl FnOnce() -> Result<Checkpoint>,
    train: impl FnOnce(&Checkpoint, &mut dyn TrainWatch) -> Result<Trained>,
) -> Result<()> {
    let records = StageRecords {
        folder,
        earlier: Attempts::in_folder(folder)?,
        clock: Clock::start(),
        history: Vec::new(),
        gammas: GammaHistory::default(),
    };
    let mut keeper = EpochKeeper { best: folder.join(BEST), last: folder.join(LAST), records, progress };
    let start = if keeper.last.is_file() {
        let last = Checkpoint::load(&keeper.last)?;
        let done = last.train.as_ref().map_or(0, |state| state.progress.epoch);
        keeper.records.take_up(done)?;
        keeper.progress.note(&format!("goes on after epoch {done}"));
        last
    } else {
        let start = start()?;
        keeper.records.gammas.push(0, &start)?;
        start
    };
    if ended(&start, config).is_none() {
        let trained = train(&start, &mut keeper)?;
        if trained.stopped == Stopped::Interrupted {
            keeper.save_last(&trained.last)?;
            return Err(Interrupted { stage }.into());
        }
    }
    let mut results = Results::default();
    for record in &keeper.records.history {
        results.push(record, &EpochTiming::default());
    }
    pictures::results(&results, &folder.join("results.png"))?;
    write_picture(&keeper.records.gammas.draw()?, &folder.join("gammas.png"))
}

/// Writes the files of a training of no epochs: the given network is its result, and its metrics are the only
/// record.
///
/// # Errors
/// If a file cannot be written.
pub(crate) fn keep_given(folder: &Path, given: &Checkpoint, metrics: &DetMetrics) -> Result<()> {
    for name in [BEST, LAST] {
        given.save(folder.join(name))?;
    }
    let evaluation = Evaluation {
        map50: metrics.map50,
        map50_95: metrics.map50_95,
        precision: metrics.precision,
        recall: metrics.recall,
        ..Evaluation::default()
    };
    let record = EpochRecord { evaluation: Some(evaluation), ..EpochRecord::default() };
    save_json(&folder.join(HISTORY), &vec![record])?;
    let mut gammas = GammaHistory::default();
    gammas.push(0, given)?;
    gammas.save(&folder.join(GAMMAS))?;
    write_picture(&gammas.draw()?, &folder.join("gammas.png"))
}

/// The records of a stage: metrics and gammas of each epoch, and the time of each attempt.
struct StageRecords<'a> {
    folder: &'a Path,
    earlier: Attempts,
    clock: Clock,
    history: Vec<EpochRecord>,
    gammas: GammaHistory,
}

impl StageRecords<'_> {
    /// Loads the records of the first `done` epochs, if an earlier attempt saved any.
    fn take_up(&mut self, done: usize) -> Result<()> {
        let history = self.folder.join(HISTORY);
        if history.is_file() {
            self.history = load_json(&history)?;
            self.history.retain(|record| record.epoch <= done);
        }
        let gammas = self.folder.join(GAMMAS);
        if gammas.is_file() {
            self.gammas = GammaHistory::load(&gammas, done)?;
        }
        Ok(())
    }
}

impl EpochRecords for StageRecords<'_> {
    fn push(&mut self, record: &EpochRecord, _: &EpochTiming, last: &Checkpoint) -> Result<()> {
        self.history.push(record.clone());
        self.gammas.push(record.epoch, last)
    }

    fn save(&self) -> Result<()> {
        save_json(&self.folder.join(HISTORY), &self.history)?;
        self.gammas.save(&self.folder.join(GAMMAS))?;
        self.earlier.save_with(self.clock, self.folder)
    }
}
