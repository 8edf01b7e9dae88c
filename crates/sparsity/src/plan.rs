//! L1 as it is asked for, and what becomes of it once the length of training is known.
//!
//! A strength that sparsifies a large dataset does nothing on a small one, which has fewer updates. So a strength may be
//! given by the distance it is to move a parameter; as travel is linear in the strength, one sum over the planned updates
//! tells which strength that is. A very short training would take a strength that the loss cannot resist, so there is a
//! limit to what is chosen: then gammas travel less.

use serde::{Deserialize, Serialize};

use crate::{BoundedL1, BoundedPlan, Decay, L1Schedule, PlannedUpdate, ScheduleError, Strength, Travel};

/// L1 as it is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct L1Plan {
    /// On gammas; [`L1Plan::gamma_decay`] says of which share each epoch has.
    pub gamma: Strength,
    /// On betas, the same in every epoch.
    pub beta: Strength,
    /// What happens to the strength on gammas.
    pub gamma_decay: Decay,
    /// No strength that is chosen for a travel is beyond it; strengths that are given as numbers are as they are given.
    /// Where it holds gammas, betas travel less by the same share: they are to follow, not to go first.
    pub limit: f64,
}

/// What is known of one optimiser step before training.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PlannedStep {
    /// Its epoch, from 0.
    pub epoch: usize,
    /// Learning rate of gammas.
    pub gamma_lr: f64,
    /// Learning rate of betas, which is that of biases.
    pub beta_lr: f64,
    /// Momentum of SGD, below 1; 0 where the strength is no part of what momentum carries on.
    pub momentum: f64,
    /// How often L1 is in its gradient: 1, or the number of accumulated batches where each adds its own.
    pub times: f64,
}

/// The strengths of a training, and how far they can move gammas and betas.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct L1Forecast {
    /// The strengths.
    pub schedule: L1Schedule,
    /// How far L1 alone can move a gamma.
    pub gamma: Travel,
    /// How far L1 alone can move a beta.
    pub beta: Travel,
    /// The travel of a gamma that was asked for, where [`L1Plan::limit`] allows less.
    pub held_from: Option<f64>,
}

/// Why there is no forecast.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// A number makes no sense.
    #[error(transparent)]
    Number(#[from] ScheduleError),
    /// A strength is given in a way that this parameter does not have.
    #[error("L1 on {what} is given as `{{ {key} = .. }}`; {expected}")]
    Kind {
        /// `gamma` or `beta`.
        what: &'static str,
        /// How it is given.
        key: &'static str,
        /// What to give in its place.
        expected: &'static str,
    },
    /// No strength moves anything.
    #[error(
        "no strength of L1 on {what} gives a travel of {travel}: over {updates} planned updates, learning rate by \
         (1 - momentum) adds up to {sum}, which must be a positive number; give the strength as a number, or train"
    )]
    Unreachable {
        /// `gamma` or `beta`.
        what: &'static str,
        /// The travel that was asked for.
        travel: f64,
        /// Number of planned updates.
        updates: u64,
        /// Travel of a strength of 1.
        sum: f64,
    },
}

impl L1Forecast {
    /// The strength on gammas beyond which L1 was seen to drown the loss: YOLOv8n lost nothing for good under 0.05 in 650
    /// updates, and everything under 0.15 in 192.
    pub const STRONG: f64 = 0.1;

    /// A sentence for the user where L1 cannot sparsify, not in so short a training, or takes more than
    /// [`L1Forecast::STRONG`] for it: what will happen, and what to change by how much.
    pub fn warning(&self) -> Option<String> {
        let strength = self.schedule.gamma;
        let travel = self.gamma;
        let updates = travel.updates;
        if let Some(asked) = self.held_from {
            let enough = (updates as f64 * asked / travel.distance).round();
            let so = if travel.is_enough() { "" } else { ", and gammas will hardly tell channels apart" };
            return Some(format!(
                "{updates} updates are few for a travel of {asked:.2}: held at a strength of {strength}, beyond which it drowns \
                 the loss, {travel}{so}; train for {enough} updates or more"
            ));
        }
        travel.warning().or_else(|| {
            (strength > Self::STRONG).then(|| {
                let enough = (updates as f64 * strength / Self::STRONG).round();
                format!(
                    "L1 on gamma is {strength:.2}, as {updates} updates are few for a travel of {:.2}: beyond {} it takes \
                     more than it tells apart; train for {enough} updates or more, or ask for less travel",
                    travel.distance,
                    Self::STRONG
                )
            })
        })
    }
}

impl L1Plan {
    /// As widely practised for YOLOv8, see [`L1Schedule::ORIGINAL`].
    pub const ORIGINAL: Self = Self::fixed(L1Schedule::ORIGINAL);

    /// As strong as the detector bears: the loss stays within a tenth above that without L1. Betas, which start at 0, are to
    /// follow and not to lead: a third of the strength.
    pub const DEFAULT: Self = Self {
        gamma: Strength::Loss(0.1),
        beta: Strength::OfGamma(1.0 / 3.0),
        gamma_decay: Decay::Linear { last: 0.1 },
        limit: L1Forecast::STRONG,
    };

    /// By distance: gammas can travel [`Travel::AIM`] under a strength that falls to a tenth, betas half a unit, both under
    /// no strength beyond [`L1Forecast::STRONG`]. There are datasets on which this ruins a network.
    pub const TRAVEL: Self = Self {
        gamma: Strength::Travel(Travel::AIM),
        beta: Strength::Travel(0.5),
        gamma_decay: Decay::Linear { last: 0.1 },
        limit: L1Forecast::STRONG,
    };

    /// The plan that asks for these strengths.
    pub const fn fixed(schedule: L1Schedule) -> Self {
        let L1Schedule { gamma, beta, gamma_decay } = schedule;
        let gamma = Strength::Lambda(gamma);
        let beta = Strength::Lambda(beta);
        Self { gamma, beta, gamma_decay, limit: L1Forecast::STRONG }
    }

    /// The strengths, where they do not depend on how long training is.
    pub const fn schedule(&self) -> Option<L1Schedule> {
        match (self.gamma, self.beta) {
            (Strength::Lambda(gamma), Strength::Lambda(beta)) => {
                Some(L1Schedule { gamma, beta, gamma_decay: self.gamma_decay })
            }
            _ => None,
        }
    }

    /// Refuses what makes no sense.
    ///
    /// # Errors
    /// [`PlanError::Number`] for a number that is negative or not finite, [`PlanError::Kind`] for a strength that is given in
    /// a way that the parameter does not have.
    pub fn check(&self) -> Result<(), PlanError> {
        ScheduleError::check("gamma", self.gamma.number())?;
        ScheduleError::check("beta", self.beta.number())?;
        ScheduleError::check("limit", self.limit)?;
        let refuse = |what, key, expected| Err(PlanError::Kind { what, key, expected });
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

    /// The rule of a strength that the loss decides, over `steps` in `epochs` epochs; see [`BoundedL1::new`] for the numbers
    /// of epochs. `None` where the plan asks for no such strength, or the training is too short for it.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    pub fn bounded(
        &self,
        epochs: usize,
        (warmup_epochs, compared_epochs): (usize, usize),
        steps: impl IntoIterator<Item = PlannedStep>,
    ) -> Result<Option<BoundedL1>, PlanError> {
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

    /// The strengths over `steps` in `epochs` epochs, and how far they reach.
    ///
    /// # Errors
    /// [`PlanError`] for a number that makes no sense, a travel that no strength gives, or a strength that the loss decides
    /// while training goes on.
    pub fn forecast(
        &self,
        epochs: usize,
        steps: impl IntoIterator<Item = PlannedStep, IntoIter: Clone>,
    ) -> Result<L1Forecast, PlanError> {
        self.check()?;
        let steps = steps.into_iter();
        // What a strength of 1 does.
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

    /// The strength as a number and its travel, where that of a strength of 1 is `unit`; of a travel that is asked for, a
    /// share is wanted.
    fn reached(
        &self,
        what: &'static str,
        strength: Strength,
        unit: Travel,
        share: f64,
    ) -> Result<(f64, Travel), PlanError> {
        let Travel { distance: sum, updates } = unit;
        let lambda = match strength {
            Strength::Lambda(lambda) => lambda,
            Strength::Travel(0.0) => 0.0,
            Strength::Travel(travel) if sum.is_finite() && sum > 0.0 => {
                (share * travel / sum).min(self.limit)
            }
            Strength::Travel(travel) => return Err(PlanError::Unreachable { what, travel, updates, sum }),
            Strength::Loss(_) | Strength::OfGamma(_) => {
                return Err(PlanError::Kind {
                    what,
                    key: "loss",
                    expected: "only a training can tell: use `bounded`",
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
