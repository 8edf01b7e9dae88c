//! What a run tells while it goes on.

use bonsai_train::{EpochRecord, EpochTiming, StepRecord};

use crate::{SplitFlaws, SplitKind, Stage};

/// What happens to a stage.
#[derive(Debug, Clone, PartialEq)]
pub enum StageState {
    /// It is done already, from the same configuration and inputs.
    Skipped,
    /// It starts, because of this.
    Started(String),
    /// It ended after so many seconds.
    Finished(f64),
}

/// Watches a run.
pub trait Progress {
    /// A stage changed its state.
    fn stage(&mut self, _: Stage, _: &StageState) {}
    /// So many images of a split were looked at, of so many. Told now and then, the first time of none and the last of all.
    fn scan(&mut self, _: SplitKind, _done: usize, _total: usize) {}
    /// A training batch ended.
    fn step(&mut self, _: &StepRecord) {}
    /// A training epoch ended.
    fn epoch(&mut self, _: &EpochRecord, _: &EpochTiming) {}
    /// Something worth a line: a warning, a figure.
    fn note(&mut self, _: &str) {}
    /// A dataset was read, and this was left out of its splits or assumed about them.
    fn dataset(&mut self, splits: &[SplitFlaws]) {
        for line in splits.iter().flat_map(SplitFlaws::digest) {
            self.note(&format!("warning: {line}"));
        }
    }
    /// A network meets a dataset whose classes are not simply its own, and this was matched with that. It is a line for everybody,
    /// those who want only results included.
    fn classes(&mut self, text: &str) {
        self.note(text);
    }
    /// Whether to end at the next step from which work can go on. Asked after every batch of a training that can resume.
    fn stop(&mut self) -> bool {
        false
    }
}

/// Watches nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Quiet;

impl Progress for Quiet {}
