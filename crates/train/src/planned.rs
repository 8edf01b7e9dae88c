//! The optimiser steps of a training, before it is trained.

use crate::{Schedule, StepSchedule};

/// One optimiser step of a training that runs to its end.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PlannedStep {
    /// Its epoch, from 0.
    pub epoch: usize,
    /// What applies at its last batch.
    pub schedule: StepSchedule,
    /// Batches whose gradients are added up in it.
    pub batches: u64,
}

impl StepSchedule {
    /// Whether batch `number` completes an optimiser step, where `last_step` is the batch that completed the one before.
    ///
    /// A batch before the last step is one of a training that goes on with fewer batches in an epoch.
    pub(crate) fn completes(&self, number: u64, last_step: Option<u64>) -> bool {
        let since_last = match last_step {
            Some(last) => number.checked_sub(last).unwrap_or(self.accumulate),
            None => number + 1,
        };
        since_last >= self.accumulate
    }
}

impl Schedule {
    /// All optimiser steps in order, warm-up included. Gradients that are left over at the end of an epoch are dropped, as
    /// in training.
    pub fn planned(&self) -> impl Iterator<Item = PlannedStep> + Clone + '_ {
        let mut last_step = None;
        let mut pending = 0;
        self.numbers().filter_map(move |(epoch, batch, number)| {
            pending = if batch == 0 { 1 } else { pending + 1 };
            let schedule = self.step(number, epoch);
            if !schedule.completes(number, last_step) {
                return None;
            }
            last_step = Some(number);
            Some(PlannedStep { epoch, schedule, batches: std::mem::take(&mut pending) })
        })
    }

    /// Epoch, batch in it, and batch since the first epoch.
    fn numbers(&self) -> impl Iterator<Item = (usize, usize, u64)> + Clone + '_ {
        let batches = self.batches();
        (0..self.epochs()).flat_map(move |epoch| {
            (0..batches).map(move |batch| (epoch, batch, (epoch * batches + batch) as u64))
        })
    }
}
