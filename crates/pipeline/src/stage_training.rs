//! [`train_in`]: a training stage that can be interrupted. After every epoch its folder holds all that is
//! needed to resume.
//!
//! Files are written in the order best, history, gammas, attempts, last, each whole or not at all. If the
//! process is killed between two of them, the stage resumes from `last` and repeats one epoch, to the same
//! bits.

use std::fmt;
use std::ops::ControlFlow;
use std::path::Path;

use anyhow::Result;
use bonsai_checkpoint::Checkpoint;
use bonsai_stages::{TrainWatch, load_json, save_json, write_picture};
use bonsai_train::{EpochRecord, EpochTiming, StepRecord, Stopped, TrainConfig, Trained};

use crate::attempts::{Attempts, Clock};
use crate::gamma_history::GammaHistory;
use crate::{Progress, Stage};

/// The averaged weights of the best epoch.
pub(crate) const BEST: &str = "best.safetensors";
/// The latest weights, and the state that a training needs to resume.
pub(crate) const LAST: &str = "last.safetensors";
/// Losses and metrics of each epoch.
pub(crate) const HISTORY: &str = "history.json";
/// Statistics of the gammas after each epoch.
pub(crate) const GAMMAS: &str = "gammas.json";

/// The error of a run that stopped on request; the same command resumes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interrupted {
    /// The stage that is not complete.
    pub stage: Stage,
}

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "stopped on request; nothing is lost: the same command resumes inside stage `{}`",
            self.stage
        )
    }
}

impl std::error::Error for Interrupted {}

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
    let earlier = Attempts::in_folder(folder)?;
    let history = Vec::new();
    let gammas = GammaHistory::default();
    let mut keeper = Keeper { folder, earlier, clock: Clock::start(), history, gammas, progress };
    let start = if let Some(last) = keeper.take_up()? {
        last
    } else {
        let start = start()?;
        keeper.gammas.push(0, &start)?;
        start
    };
    if !has_ended(&start, config) {
        let trained = train(&start, &mut keeper)?;
        if trained.stopped == Stopped::Interrupted {
            keeper.save_last(&trained.last)?;
            return Err(Interrupted { stage }.into());
        }
    }
    write_picture(&keeper.gammas.draw()?, &folder.join("gammas.png"))
}

/// Whether a saved training has all its epochs: the process was killed after the last one.
fn has_ended(start: &Checkpoint, config: &TrainConfig) -> bool {
    start.train.as_ref().is_some_and(|state| {
        state.progress.epoch >= config.epochs || config.out_of_patience(&state.progress).is_some()
    })
}

/// Saves weights and records of a training after every epoch, and reports its progress.
struct Keeper<'a> {
    folder: &'a Path,
    earlier: Attempts,
    clock: Clock,
    history: Vec<EpochRecord>,
    gammas: GammaHistory,
    progress: &'a mut dyn Progress,
}

impl Keeper<'_> {
    /// Loads the checkpoint and the records of an earlier attempt, if it saved any.
    fn take_up(&mut self) -> Result<Option<Checkpoint>> {
        let last = self.folder.join(LAST);
        if !last.is_file() {
            return Ok(None);
        }
        let last = Checkpoint::load(&last)?;
        let done = last.train.as_ref().map_or(0, |state| state.progress.epoch);
        let history = self.folder.join(HISTORY);
        if history.is_file() {
            self.history = load_json(&history)?;
            self.history.retain(|record| record.epoch <= done);
        }
        let gammas = self.folder.join(GAMMAS);
        if gammas.is_file() {
            self.gammas = GammaHistory::load(&gammas, done)?;
        }
        self.progress.note(&format!("goes on after epoch {done}"));
        Ok(Some(last))
    }

    fn save_last(&self, last: &Checkpoint) -> Result<()> {
        save_json(&self.folder.join(HISTORY), &self.history)?;
        self.gammas.save(&self.folder.join(GAMMAS))?;
        self.earlier.save_with(self.clock, self.folder)?;
        Ok(last.save(&self.folder.join(LAST))?)
    }
}

impl TrainWatch for Keeper<'_> {
    fn note(&mut self, text: &str) {
        self.progress.note(text);
    }

    fn step(&mut self, step: &StepRecord) -> ControlFlow<()> {
        self.progress.step(step);
        if self.progress.stop() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn epoch(&mut self, record: &EpochRecord, timing: &EpochTiming, last: &Checkpoint) -> Result<()> {
        self.history.push(record.clone());
        self.gammas.push(record.epoch, last)?;
        if last.train.as_ref().is_some_and(|state| state.progress.best_epoch == Some(record.epoch)) {
            last.deployed().save(&self.folder.join(BEST))?;
        }
        self.save_last(last)?;
        self.progress.epoch(record, timing);
        Ok(())
    }
}
