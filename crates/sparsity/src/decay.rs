//! [`Decay`]: how the L1 strength changes over the epochs.

use serde::{Deserialize, Serialize};

use crate::ScheduleError;

/// The fraction of the gamma strength that applies in each epoch.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Decay {
    /// The full strength in every epoch.
    Constant,
    /// In epoch `e` of `E`: `1 - (1 - last) * e / E`.
    Linear {
        /// The fraction at the end (of epoch `E`, one after the last trained epoch).
        last: f64,
    },
    /// In epoch `e` of `E`: `last + (1 - last) * (1 + cos(pi * e / E)) / 2`; changes slowly at both ends.
    Cosine {
        /// The fraction at the end.
        last: f64,
    },
    /// In epoch `e` of `E`: `first + (1 - first) * e / E`. The network learns before it becomes sparse.
    Growing {
        /// The fraction at the start.
        first: f64,
    },
}

impl Decay {
    /// The fraction in epoch `epoch` (from 0) of `epochs`; it stays constant after the last epoch.
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

    /// Returns an error if the fraction is negative or not finite.
    pub(crate) fn check(&self) -> Result<(), ScheduleError> {
        match self {
            Self::Constant => Ok(()),
            Self::Linear { last } | Self::Cosine { last } => ScheduleError::check("last", *last),
            Self::Growing { first } => ScheduleError::check("first", *first),
        }
    }
}
