//! [`PlannedStep`]: the optimiser steps of a training, computed before it runs.

use crate::{Schedule, StepSchedule};

/// One optimiser step of a training that runs to its last epoch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PlannedStep {
    /// Epoch of the step, from 0.
    pub epoch: usize,
    /// The schedule values at the last batch of the step.
    pub schedule: StepSchedule,
    /// Number of batches whose gradients are accumulated in the step.
    pub batches: u64,
}

impl StepSchedule {
    /// Whether batch `number` completes an optimiser step; `last_step` is the batch that completed the
    /// previous one.
    ///
    /// `number` can be less than `last_step` if a training is resumed with fewer batches per epoch.
    pub(crate) fn completes(&self, number: u64, last_step: Option<u64>) -> bool {
        let since_last = match last_step {
            Some(last) => number.checked_sub(last).unwrap_or(self.accumulate),
            None => number + 1,
        };
        since_last >= self.accumulate
    }
}

impl Schedule {
    /// All optimiser steps in order, including warm-up. Gradients left over at the end of an epoch are
    /// dropped, as in training.
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

    /// The epoch, the batch within it, and the batch since the first epoch.
    fn numbers(&self) -> impl Iterator<Item = (usize, usize, u64)> + Clone + '_ {
        let batches = self.batches();
        (0..self.epochs()).flat_map(move |epoch| {
            (0..batches).map(move |batch| (epoch, batch, (epoch * batches + batch) as u64))
        })
    }
}
