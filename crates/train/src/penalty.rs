//! L1 on batch norm as the trainer sees it: strengths of one epoch, and how often they are applied.

use bonsai_checkpoint::Progress;
use bonsai_exec::{L1Method, L1Placement};
use serde::{Deserialize, Serialize};

/// How often L1 is in the gradient of an optimiser step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Per {
    /// Once, however many batches were added up.
    #[default]
    Step,
    /// Once for each batch that was added up, as in the hand-patched trainers.
    Batch,
}

impl Per {
    /// How often it is in a step of `accumulated` batches.
    pub const fn times(self, accumulated: u64) -> u64 {
        match self {
            Self::Step => 1,
            Self::Batch => accumulated,
        }
    }
}

/// L1 on batch norm in one epoch.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Penalty {
    /// Strength on gamma.
    pub gamma: f64,
    /// Strength on beta.
    pub beta: f64,
    /// What a strength does; groups of channels are the executor's to know
    /// ([`penalise`](bonsai_exec::Executor::penalise)).
    pub method: L1Method,
    /// Before or after clipping.
    pub placement: L1Placement,
    /// Once for each optimiser step or for each batch.
    pub per: Per,
}

/// L1 over a training.
#[derive(Clone, Copy)]
pub enum PenaltyPlan<'a> {
    /// By epoch, from 0.
    ByEpoch(&'a dyn Fn(usize) -> Penalty),
    /// By the mean detection losses of the epochs before; `None` ends the training there ([`Stopped::Penalty`]).
    ///
    /// [`Stopped::Penalty`]: crate::Stopped::Penalty
    ByLoss(&'a dyn Fn(&[f64]) -> Option<Penalty>),
}

impl PenaltyPlan<'_> {
    /// L1 in the epoch that `progress` comes to.
    pub(crate) fn next(self, progress: &Progress) -> Option<Penalty> {
        match self {
            Self::ByEpoch(penalty) => Some(penalty(progress.epoch)),
            Self::ByLoss(penalty) => penalty(&progress.losses),
        }
    }
}
