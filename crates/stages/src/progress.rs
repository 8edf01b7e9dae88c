//! [`Progress`]: the observer of a run.

use bonsai_train::{EpochRecord, EpochTiming, StepRecord};

use crate::{SplitFlaws, SplitKind, Stage};

/// The state of a stage.
#[derive(Debug, Clone, PartialEq)]
pub enum StageState {
    /// It is already done, with the same configuration and inputs.
    Skipped,
    /// It starts, for this reason.
    Started(String),
    /// It ended, after this number of seconds.
    Finished(f64),
}

/// Receives the events of a run.
pub trait Progress {
    /// A stage changed its state.
    fn stage(&mut self, _: Stage, _: &StageState) {}
    /// A run of several stages began: the stages from the current one to the last, with their expected
    /// seconds. Some of them may turn out to be done already.
    fn plan(&mut self, _: &[(Stage, f64)]) {}
    /// `done` of `total` images of a split were scanned. Called from time to time: first with 0 and last with
    /// all images.
    fn scan(&mut self, _: SplitKind, _done: usize, _total: usize) {}
    /// `done` of `total` images were evaluated.
    fn evaluate(&mut self, _done: usize, _total: usize) {}
    /// A training batch ended.
    fn step(&mut self, _: &StepRecord) {}
    /// A training epoch ended.
    fn epoch(&mut self, _: &EpochRecord, _: &EpochTiming) {}
    /// A line for the user, such as a warning or a metric.
    fn note(&mut self, _: &str) {}
    /// A dataset was read; `splits` lists what was left out of its splits or assumed about them.
    fn dataset(&mut self, splits: &[SplitFlaws]) {
        for line in splits.iter().flat_map(SplitFlaws::digest) {
            self.note(&format!("warning: {line}"));
        }
    }
    /// The classes of a network differ from those of the dataset; `text` says which were matched.
    /// Implementations show it even if only results are to be shown.
    fn classes(&mut self, text: &str) {
        self.note(text);
    }
    /// Whether to stop at the next point from which the run can resume. Called after every batch of a
    /// training that can resume.
    fn stop(&mut self) -> bool {
        false
    }
}

/// Ignores all events.
#[derive(Debug, Clone, Copy, Default)]
pub struct Quiet;

impl Progress for Quiet {}
