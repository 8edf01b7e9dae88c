//! [`L1Schedule`]: the L1 strengths in each epoch.

use serde::{Deserialize, Serialize};

use crate::{Decay, ScheduleError};

/// Strengths in one epoch; the gradient of a parameter gets strength times sign of the parameter.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct L1 {
    /// On batch-norm gammas.
    pub gamma: f32,
    /// On batch-norm betas.
    pub beta: f32,
}

/// Strengths over a training. In a configuration, missing fields default to [`L1Schedule::ORIGINAL`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "UncheckedSchedule")]
pub struct L1Schedule {
    /// Strength on gammas; `gamma_decay` gives the fraction that applies in each epoch.
    pub gamma: f64,
    /// Strength on betas, the same in every epoch. A removed channel still shifts later layers by
    /// `silu(beta)`, so betas should become small too.
    pub beta: f64,
    /// How the strength on gammas changes over the epochs.
    pub gamma_decay: Decay,
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct UncheckedSchedule {
    gamma: f64,
    beta: f64,
    gamma_decay: Decay,
}

impl Default for UncheckedSchedule {
    fn default() -> Self {
        let L1Schedule { gamma, beta, gamma_decay } = L1Schedule::ORIGINAL;
        Self { gamma, beta, gamma_decay }
    }
}

impl TryFrom<UncheckedSchedule> for L1Schedule {
    type Error = ScheduleError;

    fn try_from(s: UncheckedSchedule) -> Result<Self, ScheduleError> {
        Self { gamma: s.gamma, beta: s.beta, gamma_decay: s.gamma_decay }.check()
    }
}

impl L1Schedule {
    /// The widely used values for YOLOv8: 1e-2 on gamma, falling linearly to a tenth; 1e-2 on beta
    /// throughout.
    pub const ORIGINAL: Self = Self { gamma: 1e-2, beta: 1e-2, gamma_decay: Decay::Linear { last: 0.1 } };

    /// Returns the schedule if its numbers are valid. Deserialisation calls this.
    ///
    /// # Errors
    /// [`ScheduleError`] for a number that is negative or not finite.
    pub fn check(self) -> Result<Self, ScheduleError> {
        ScheduleError::check("gamma", self.gamma)?;
        ScheduleError::check("beta", self.beta)?;
        self.gamma_decay.check()?;
        Ok(self)
    }

    /// Strengths in epoch `epoch` (from 0) of `epochs`; they stay constant after the last epoch.
    pub fn at(&self, epoch: usize, epochs: usize) -> L1 {
        L1 { gamma: (self.gamma * self.gamma_decay.share(epoch, epochs)) as f32, beta: self.beta as f32 }
    }
}

impl Default for L1Schedule {
    fn default() -> Self {
        Self::ORIGINAL
    }
}
