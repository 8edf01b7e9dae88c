//! [`Penalty`] and [`PenaltyPlan`]: L1 on batch norm for the trainer.

use bonsai_checkpoint::TrainProgress;
use bonsai_exec::{L1Method, L1Placement};
use serde::{Deserialize, Serialize};

/// How often L1 is added to the gradient of an optimiser step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Per {
    /// Once, for any number of accumulated batches.
    #[default]
    Step,
    /// Once for each accumulated batch, as in hand-patched trainers.
    Batch,
}

impl Per {
    /// How often L1 is added in a step of `accumulated` batches.
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
    /// How the penalty changes a parameter; [`penalise`](bonsai_exec::Executor::penalise) sets the groups of
    /// channels.
    pub method: L1Method,
    /// Whether the penalty is applied before or after clipping.
    pub placement: L1Placement,
    /// Whether the penalty is added per optimiser step or per batch.
    pub per: Per,
}

/// The L1 penalty in every epoch of a training.
#[derive(Clone, Copy)]
pub enum PenaltyPlan<'a> {
    /// A function of the epoch, from 0.
    ByEpoch(&'a dyn Fn(usize) -> Penalty),
    /// A function of the mean detection losses of the epochs so far; `None` ends the training
    /// ([`Stopped::Penalty`]).
    ///
    /// [`Stopped::Penalty`]: crate::Stopped::Penalty
    ByLoss(&'a dyn Fn(&[f64]) -> Option<Penalty>),
}

impl PenaltyPlan<'_> {
    /// The penalty of the next epoch.
    pub(crate) fn next(self, progress: &TrainProgress) -> Option<Penalty> {
        match self {
            Self::ByEpoch(penalty) => Some(penalty(progress.epoch)),
            Self::ByLoss(penalty) => penalty(&progress.losses),
        }
    }
}
