//! What becomes of a strength over the epochs.

use serde::{Deserialize, Serialize};

use crate::ScheduleError;

/// Which share of the strength on gamma there is in each epoch.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Decay {
    /// All of it in every epoch.
    Constant,
    /// In epoch `e` of `E`: `1 - (1 - last) * e / E`.
    Linear {
        /// The share that is left at the end (reached by epoch `E`, which is no longer trained).
        last: f64,
    },
    /// In epoch `e` of `E`: `last + (1 - last) * (1 + cos(pi * e / E)) / 2`; slow at both ends.
    Cosine {
        /// The share that is left at the end.
        last: f64,
    },
    /// In epoch `e` of `E`: `first + (1 - first) * e / E`. The network learns before it is made sparse.
    Growing {
        /// The share that there is at the start.
        first: f64,
    },
}

impl Decay {
    /// The share in epoch `epoch` (from 0) of `epochs`; beyond the last epoch it stays.
    pub fn share(&self, epoch: usize, epochs: usize) -> f64 {
        let progress = epoch.min(epochs) as f64 / epochs.max(1) as f64;
        match self {
            Self::Constant => 1.0,
            Self::Linear { last } => 1.0 - (1.0 - last) * progress,
            Self::Cosine { last } => {
                last + (1.0 - last) * (1.0 + (std::f64::consts::PI * progress).cos()) / 2.0
            }
            Self::Growing { first } => first + (1.0 - first) * progress,
        }
    }

    /// Refuses a share that makes no sense.
    pub(crate) fn check(&self) -> Result<(), ScheduleError> {
        match self {
            Self::Constant => Ok(()),
            Self::Linear { last } | Self::Cosine { last } => ScheduleError::check("last", *last),
            Self::Growing { first } => ScheduleError::check("first", *first),
        }
    }
}
