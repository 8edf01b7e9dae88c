//! [`L1Plan`]: the configured L1 strength, and the [`L1Forecast`] for a training of known length.
//!
//! A strength that sparsifies a large dataset does nothing on a small one, which has fewer updates. A
//! strength may therefore be configured as the distance by which it should move a parameter. Travel is linear
//! in the strength, so one sum over the planned updates gives the strength. A very short training would need
//! a strength that overwhelms the loss, so the chosen strength is limited; gammas then travel less.

use serde::{Deserialize, Serialize};

use crate::{BoundedL1, BoundedPlan, Decay, L1Schedule, PlannedUpdate, ScheduleError, Strength, Travel};

/// The configured L1 penalty.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct L1Plan {
    /// Strength on gammas; [`L1Plan::gamma_decay`] gives the fraction that applies in each epoch.
    pub gamma: Strength,
    /// Strength on betas, the same in every epoch.
    pub beta: Strength,
    /// How the strength on gammas changes over the epochs.
    pub gamma_decay: Decay,
    /// Upper limit for strengths that are chosen for a travel; strengths given as numbers are not limited. If
    /// the limit reduces the travel of gammas, the travel of betas is reduced by the same factor, so that
    /// betas do not shrink before gammas.
    pub limit: f64,
}

/// The properties of one optimiser step that are known before training.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PlannedStep {
    /// Epoch of the step, from 0.
    pub epoch: usize,
    /// Learning rate of gammas.
    pub gamma_lr: f64,
    /// Learning rate of betas, which is that of biases.
    pub beta_lr: f64,
    /// Momentum of SGD, below 1; 0 if the penalty does not pass through momentum.
    pub momentum: f64,
    /// How often L1 is added to the gradient: 1, or the number of accumulated batches if each adds its own.
    pub times: f64,
}

/// The strengths of a training, and how far they can move gammas and betas.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct L1Forecast {
    /// The strengths for every epoch.
    pub schedule: L1Schedule,
    /// How far L1 alone can move a gamma.
    pub gamma: Travel,
    /// How far L1 alone can move a beta.
    pub beta: Travel,
    /// The configured travel of a gamma, if [`L1Plan::limit`] allows less.
    pub held_from: Option<f64>,
}

/// Why a forecast is not possible.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum L1PlanError {
    /// A number is negative or not finite.
    #[error(transparent)]
    Number(#[from] ScheduleError),
    /// The strength has a form that this parameter does not support.
    #[error("L1 on {what} is given as `{{ {key} = .. }}`; {expected}")]
    Kind {
        /// `gamma` or `beta`.
        what: &'static str,
        /// The form in the configuration.
        key: &'static str,
        /// The supported forms.
        expected: &'static str,
    },
    /// No strength can move the parameter.
    #[error(
        "no strength of L1 on {what} gives a travel of {travel}: over {updates} planned updates, learning rate / \
         (1 - momentum) adds up to {sum}, but must be positive and finite; give the strength as a number, or \
         plan updates with a positive learning rate"
    )]
    Unreachable {
        /// `gamma` or `beta`.
        what: &'static str,
        /// The configured travel.
        travel: f64,
        /// Number of planned updates.
        updates: u64,
        /// Travel that a strength of 1 would give.
        sum: f64,
    },
}

impl L1Forecast {
    /// The strength on gammas above which L1 was observed to overwhelm the loss: YOLOv8n recovered under 0.05
    /// in 650 updates, and lost everything under 0.15 in 192.
    pub const STRONG: f64 = 0.1;

    /// A warning for the user if L1 cannot sparsify in so few updates, or only with a strength above
    /// [`L1Forecast::STRONG`]: the consequence, and which setting to change by how much.
    pub fn warning(&self) -> Option<String> {
        let strength = self.schedule.gamma;
        let travel = self.gamma;
        let updates = travel.updates;
        if let Some(asked) = self.held_from {
            let enough = (updates as f64 * asked / travel.distance).round();
            let so = if travel.is_enough() { "" } else { ", which is too little to separate the channels" };
            return Some(format!(
                "{updates} updates are few for a travel of {asked:.2}: L1 is limited to a strength of {strength}, above \
                 which it overwhelms the loss, so {travel}{so}; train for {enough} updates or more"
            ));
        }
        travel.warning().or_else(|| {
            (strength > Self::STRONG).then(|| {
                let enough = (updates as f64 * strength / Self::STRONG).round();
                format!(
                    "L1 on gamma is {strength:.2}, because {updates} updates are few for a travel of {:.2}: above {} it \
                     shrinks important gammas too; train for {enough} updates or more, or configure less travel",
                    travel.distance,
                    Self::STRONG
                )
            })
        })
    }
}

impl L1Plan {
    /// The widely used values for YOLOv8, see [`L1Schedule::ORIGINAL`].
    pub const ORIGINAL: Self = Self::fixed(L1Schedule::ORIGINAL);

    /// As strong as the detection loss allows: the loss may rise by a tenth above the loss without L1. Betas
    /// start at 0 and get a third of the strength, so that they do not shrink before gammas.
    pub const DEFAULT: Self = Self {
        gamma: Strength::Loss(0.1),
        beta: Strength::OfGamma(1.0 / 3.0),
        gamma_decay: Decay::Linear { last: 0.1 },
        limit: L1Forecast::STRONG,
    };

    /// By distance: gammas travel [`Travel::AIM`] under a strength that falls to a tenth, betas 0.5, both
    /// with a strength of at most [`L1Forecast::STRONG`]. On some datasets this ruins a network.
    pub const TRAVEL: Self = Self {
        gamma: Strength::Travel(Travel::AIM),
        beta: Strength::Travel(0.5),
        gamma_decay: Decay::Linear { last: 0.1 },
        limit: L1Forecast::STRONG,
    };

    /// A plan with fixed strengths.
    pub const fn fixed(schedule: L1Schedule) -> Self {
        let L1Schedule { gamma, beta, gamma_decay } = schedule;
        let gamma = Strength::Lambda(gamma);
        let beta = Strength::Lambda(beta);
        Self { gamma, beta, gamma_decay, limit: L1Forecast::STRONG }
    }

    /// The strengths, if they do not depend on the training; otherwise `None`.
    pub const fn schedule(&self) -> Option<L1Schedule> {
        match (self.gamma, self.beta) {
            (Strength::Lambda(gamma), Strength::Lambda(beta)) => {
                Some(L1Schedule { gamma, beta, gamma_decay: self.gamma_decay })
            }
            _ => None,
        }
    }

    /// Checks the numbers and the forms of the strengths.
    ///
    /// # Errors
    /// [`L1PlanError::Number`] for a number that is negative or not finite, [`L1PlanError::Kind`] for a strength
    /// in a form that the parameter does not support.
    pub fn check(&self) -> Result<(), L1PlanError> {
        ScheduleError::check("gamma", self.gamma.number())?;
        ScheduleError::check("beta", self.beta.number())?;
        ScheduleError::check("limit", self.limit)?;
        let refuse = |what, key, expected| Err(L1PlanError::Kind { what, key, expected });
        match (self.gamma, self.beta) {
            (Strength::OfGamma(_), _) => {
                refuse("gamma", "of_gamma", "give a number, `{ travel = DISTANCE }` or `{ loss = FRACTION }`")
            }
            (_, Strength::Loss(_)) => {
                refuse("beta", "loss", "give a number, `{ travel = DISTANCE }` or `{ of_gamma = FRACTION }`")
            }
            (Strength::Loss(_), Strength::Travel(_)) => refuse(
                "beta",
                "travel",
                "beside `{ loss = FRACTION }` on gamma, give a number or `{ of_gamma = FRACTION }`",
            ),
            _ => Ok(self.gamma_decay.check()?),
        }
    }

    /// The [`BoundedL1`] rule for a strength that follows the loss, over `steps` in `epochs` epochs; see
    /// [`BoundedPlan`] for the numbers of epochs. `None` if the plan has no such strength, or the training is
    /// too short for it.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    pub fn bounded(
        &self,
        epochs: usize,
        (warmup_epochs, compared_epochs): (usize, usize),
        steps: impl IntoIterator<Item = PlannedStep>,
    ) -> Result<Option<BoundedL1>, L1PlanError> {
        self.check()?;
        let Strength::Loss(tolerance) = self.gamma else { return Ok(None) };
        let mut travel = vec![0.0; epochs];
        for step in steps {
            if let Some(travel) = travel.get_mut(step.epoch) {
                *travel += step.times * step.gamma_lr / (1.0 - step.momentum);
            }
        }
        Ok(BoundedL1::new(&BoundedPlan { tolerance, warmup_epochs, compared_epochs, travel: &travel }))
    }

    /// The strengths over `steps` in `epochs` epochs, and the travel they give.
    ///
    /// # Errors
    /// [`L1PlanError`] for an invalid number, for a travel that no strength gives, or for a strength that
    /// follows the loss during training.
    pub fn forecast(
        &self,
        epochs: usize,
        steps: impl IntoIterator<Item = PlannedStep, IntoIter: Clone>,
    ) -> Result<L1Forecast, L1PlanError> {
        self.check()?;
        let steps = steps.into_iter();
        // Travel of a strength of 1.
        let gamma = Travel::from_updates(steps.clone().map(|s| PlannedUpdate {
            lr: s.gamma_lr,
            lambda: s.times * self.gamma_decay.share(s.epoch, epochs),
            momentum: s.momentum,
        }));
        let beta = Travel::from_updates(steps.map(|s| PlannedUpdate {
            lr: s.beta_lr,
            lambda: s.times,
            momentum: s.momentum,
        }));
        let (gamma, gamma_travel) = self.reached("gamma", self.gamma, gamma, 1.0)?;
        let held_from = match self.gamma {
            Strength::Travel(asked)
                if gamma > 0.0 && gamma == self.limit && gamma_travel.distance < asked =>
            {
                Some(asked)
            }
            _ => None,
        };
        let share = held_from.map_or(1.0, |asked| gamma_travel.distance / asked);
        let beta_strength = match self.beta {
            Strength::OfGamma(fraction) => Strength::Lambda(fraction * gamma),
            given => given,
        };
        let (beta, beta_travel) = self.reached("beta", beta_strength, beta, share)?;
        let schedule = L1Schedule { gamma, beta, gamma_decay: self.gamma_decay };
        Ok(L1Forecast { schedule, gamma: gamma_travel, beta: beta_travel, held_from })
    }

    /// The strength as a number and its travel, if a strength of 1 gives `unit`. A configured travel is
    /// multiplied by `share`.
    fn reached(
        &self,
        what: &'static str,
        strength: Strength,
        unit: Travel,
        share: f64,
    ) -> Result<(f64, Travel), L1PlanError> {
        let Travel { distance: sum, updates } = unit;
        let lambda = match strength {
            Strength::Lambda(lambda) => lambda,
            Strength::Travel(0.0) => 0.0,
            Strength::Travel(travel) if sum.is_finite() && sum > 0.0 => {
                (share * travel / sum).min(self.limit)
            }
            Strength::Travel(travel) => return Err(L1PlanError::Unreachable { what, travel, updates, sum }),
            Strength::Loss(_) | Strength::OfGamma(_) => {
                return Err(L1PlanError::Kind {
                    what,
                    key: "loss",
                    expected: "the strength follows the loss during training: use `bounded`",
                });
            }
        };
        Ok((lambda, Travel { distance: lambda * sum, updates }))
    }
}

impl Default for L1Plan {
    fn default() -> Self {
        Self::DEFAULT
    }
}
