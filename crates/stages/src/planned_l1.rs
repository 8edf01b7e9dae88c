//! [`PlannedL1`]: the L1 strengths for a training of known length, with the announcement and the warning for
//! the user.

use anyhow::Result;
use bonsai_exec::{L1Method, L1Placement};
use bonsai_graph::Graph;
use bonsai_sparsity::{BoundedL1, L1, L1Forecast, L1Schedule, PlannedStep, Strength, Travel};
use bonsai_train::{Optimizer, Penalty, Schedule, TrainConfig};

use crate::L1Config;
use crate::ensure_usage;
use crate::penalty::Penalised;

/// L1 for a training of known length.
#[derive(Debug, Clone, PartialEq)]
pub struct PlannedL1 {
    config: L1Config,
    strengths: Strengths,
    epochs: usize,
    optimizer: Optimizer,
}

/// How the strengths are determined.
#[derive(Debug, Clone, PartialEq)]
enum Strengths {
    /// Chosen before training. The forecast of how far they can move a gamma and a beta is `None` if that
    /// depends on gradients.
    Scheduled { schedule: L1Schedule, forecast: Option<L1Forecast> },
    /// Decided by the loss during training; `None` if the training is too short for that.
    Bounded(Option<BoundedL1>),
}

impl PlannedL1 {
    /// Refuses settings that are invalid for any number of batches.
    ///
    /// # Errors
    /// If a number is invalid, or the strength is given as a travel or a loss under an optimiser that cannot
    /// forecast it.
    pub fn check(config: &L1Config, training: &TrainConfig) -> Result<()> {
        let plan = config.plan();
        plan.check()?;
        let plans = training.optimizer == Optimizer::Sgd || config.method == L1Method::Proximal;
        let keys = [("l1.gamma", config.gamma), ("l1.beta", config.beta)];
        let asked = keys
            .into_iter()
            .filter(|(_, strength)| matches!(strength, Strength::Travel(_) | Strength::Loss(_)));
        let keys: Vec<_> = asked.map(|(key, _)| format!("`{key}`")).collect();
        ensure_usage!(
            plans || keys.is_empty(),
            "under {}, how far L1 moves a parameter depends on its gradients, so no strength can be chosen; \
             give {} as a number, set `l1.method` to `proximal`, or train with SGD",
            training.optimizer,
            keys.join(" and ")
        );
        Ok(())
    }

    /// Chooses the strengths for a training of `batches` batches per epoch. The losses of the first
    /// `compared_epochs` epochs can be compared with each other.
    ///
    /// # Errors
    /// As [`check`](Self::check), or if no strength gives the configured travel.
    pub fn new(
        config: &L1Config,
        training: &TrainConfig,
        batches: usize,
        compared_epochs: usize,
    ) -> Result<Self> {
        let mut plan = config.plan();
        let is_sgd = training.optimizer == Optimizer::Sgd;
        let (epochs, optimizer) = (training.epochs, training.optimizer);
        let planned = |strengths| Self { config: *config, strengths, epochs, optimizer };
        Self::check(config, training)?;
        let is_threshold = config.method == L1Method::Proximal;
        if let (false, false, Some(schedule)) = (is_sgd, is_threshold, plan.schedule()) {
            return Ok(planned(Strengths::Scheduled { schedule, forecast: None }));
        }
        let schedule = Schedule::new(training, batches);
        let steps = schedule.planned().map(|step| PlannedStep {
            epoch: step.epoch,
            gamma_lr: step.schedule.weight_lr,
            beta_lr: step.schedule.bias_lr,
            momentum: if is_sgd { step.schedule.momentum } else { 0.0 },
            times: config.per.times(step.batches) as f64,
        });
        if !is_sgd {
            // A step of Adam is about as long as its learning rate for any gradient, so the loss can
            // counteract a threshold below that.
            plan.limit = 1.0;
        }
        if let Strength::Loss(_) = plan.gamma {
            let bounds = (schedule.warmup_epochs(), compared_epochs);
            return Ok(planned(Strengths::Bounded(plan.bounded(training.epochs, bounds, steps)?)));
        }
        let forecast = plan.forecast(training.epochs, steps)?;
        let schedule = forecast.schedule;
        Ok(planned(Strengths::Scheduled { schedule, forecast: Some(forecast) }))
    }

    /// Whether the losses decide the strength, so that callers must use
    /// [`penalty_after`](Self::penalty_after).
    pub const fn is_bounded(&self) -> bool {
        matches!(self.strengths, Strengths::Bounded(_))
    }

    /// The penalty in an epoch (from 0), if the losses do not decide it.
    pub fn penalty(&self, epoch: usize) -> Penalty {
        match &self.strengths {
            Strengths::Scheduled { schedule, .. } => self.of_strength(schedule.at(epoch, self.epochs)),
            Strengths::Bounded(_) => Penalty::default(),
        }
    }

    /// The penalty after epochs with these mean losses; `None` if L1 can no longer bring gammas to 0.
    pub fn penalty_after(&self, losses: &[f64]) -> Option<Penalty> {
        let Strengths::Bounded(Some(bounded)) = &self.strengths else {
            return Some(self.penalty(losses.len()));
        };
        let gamma = bounded.strength(losses)?;
        let beta = match self.config.beta {
            Strength::OfGamma(fraction) => fraction * gamma,
            Strength::Lambda(beta) if gamma > 0.0 => beta,
            Strength::Lambda(_) | Strength::Travel(_) | Strength::Loss(_) => 0.0,
        };
        Some(self.of_strength(L1 { gamma: gamma as f32, beta: beta as f32 }))
    }

    fn of_strength(&self, strength: L1) -> Penalty {
        Penalty {
            gamma: f64::from(strength.gamma),
            beta: f64::from(strength.beta),
            method: self.config.method,
            placement: self.config.placement,
            per: self.config.per,
        }
    }

    /// How far L1 alone can move a gamma; `None` if that depends on the gradients.
    pub fn travel(&self) -> Option<Travel> {
        Some(self.forecast()?.gamma)
    }

    const fn forecast(&self) -> Option<L1Forecast> {
        match self.strengths {
            Strengths::Scheduled { forecast, .. } => forecast,
            Strengths::Bounded(_) => None,
        }
    }

    /// The channels that L1 acts on.
    pub fn penalised(&self, graph: &Graph) -> Penalised {
        Penalised::new(graph, self.config.exclude_unprunable)
    }

    /// A line for the user before training: strengths, placement and forecast.
    pub fn announcement(&self) -> String {
        let (place, most) = match (self.config.method, self.config.placement) {
            (L1Method::Proximal, _) => ("as a threshold after the step", ""),
            (L1Method::Subgradient, L1Placement::BeforeClip) => {
                ("before clipping, which shrinks it", "at most ")
            }
            (L1Method::Subgradient, L1Placement::AfterClip) => ("after clipping", ""),
            (L1Method::GroupLasso, L1Placement::BeforeClip) => {
                ("by groups before clipping, which shrinks it", "at most ")
            }
            (L1Method::GroupLasso, L1Placement::AfterClip) => ("by groups after clipping", ""),
        };
        let L1Schedule { gamma, beta, .. } = match &self.strengths {
            Strengths::Scheduled { schedule, .. } => *schedule,
            Strengths::Bounded(Some(bounded)) => {
                return format!(
                    "L1 on gamma {place}; the loss decides its strength: {} epochs without L1 give the reference loss, then \
                     the strength grows while the smoothed loss is at most {:.0} % above the reference",
                    bounded.epochs_without(),
                    100.0 * bounded.tolerance()
                );
            }
            Strengths::Bounded(None) => return "no L1".to_owned(),
        };
        match self.forecast() {
            Some(L1Forecast { gamma: on_gamma, beta: on_beta, .. }) => format!(
                "L1 on gamma {} {place}: alone it can move a gamma by {most}{:.2} in {} updates; on beta {}: by \
                 {most}{:.2}",
                digits(gamma),
                on_gamma.distance,
                on_gamma.updates,
                digits(beta),
                on_beta.distance,
            ),
            None => format!(
                "L1 on gamma {}, on beta {} {place}: under {}, how far L1 moves them depends on their gradients",
                digits(gamma),
                digits(beta),
                self.optimizer
            ),
        }
    }

    /// A warning for the user if L1 cannot sparsify, or not in so short a training.
    pub fn warning(&self) -> Option<String> {
        if let Strengths::Bounded(None) = self.strengths {
            return Some(format!(
                "{} epochs are too few to find the strength of L1 by the loss, so this training has no L1, and its gammas \
                 will not separate the channels: train for more epochs, give `l1.gamma` as a number or a travel, or \
                 skip sparsity training (`sparse.epochs = 0`)",
                self.epochs
            ));
        }
        let forecast = self.forecast()?;
        if self.optimizer == Optimizer::Sgd || forecast.held_from.is_some() {
            forecast.warning()
        } else {
            forecast.gamma.warning()
        }
    }
}

/// A strength in three digits.
fn digits(strength: f64) -> String {
    if strength == 0.0 {
        return "0".to_owned();
    }
    let places = (2.0 - strength.abs().log10().floor()).clamp(0.0, 12.0) as usize;
    let text = format!("{strength:.places$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::L1Preset;
    use bonsai_sparsity::L1Plan;
    use bonsai_train::Per;

    fn by_travel() -> L1Config {
        let L1Plan { gamma, beta, .. } = L1Plan::TRAVEL;
        L1Config { gamma, beta, ..L1Config::default() }
    }

    /// BCCD has 13 batches of 16 images; each batch is one optimiser step.
    fn bccd(epochs: usize) -> TrainConfig {
        TrainConfig { epochs, nbs: 16, ..TrainConfig::default() }
    }

    #[test]
    fn a_travel_is_reached_unless_its_strength_would_overwhelm_the_loss() {
        for (epochs, batches) in [(50, 13), (6, 32), (100, 1000)] {
            for (batch, nbs) in [(16, 16), (4, 16), (16, 64)] {
                let training = TrainConfig { batch, nbs, ..bccd(epochs) };
                let planned = PlannedL1::new(&by_travel(), &training, batches, epochs).unwrap();
                let said = planned.announcement();
                // With few updates, the strength would have to be so large that it overwhelms the loss.
                let few = epochs * batches * batch < 500 * nbs;
                let reaches = said.contains("after clipping: alone it can move a gamma by 1.50 in ");
                assert_eq!((reaches, planned.warning().is_some()), (!few, few), "{said}");
                assert_eq!(said.starts_with("L1 on gamma 0.1 after"), few, "{said}");
                assert!(few || said.ends_with("by 0.50"), "{said}");
            }
        }
    }

    #[test]
    fn the_original_preset_is_too_weak_for_a_small_dataset() {
        let planned = PlannedL1::new(&L1Config::from_preset(L1Preset::Original), &bccd(50), 13, 50).unwrap();
        assert_eq!(
            planned.announcement(),
            "L1 on gamma 0.01 before clipping, which shrinks it: alone it can move a gamma by at most 0.27 in 650 updates; \
             on beta 0.01: by at most 0.77"
        );
        assert!(planned.warning().unwrap().contains("5.5-fold"));
        let first = planned.penalty(0);
        assert_eq!((first.gamma, first.beta), (f64::from(1e-2f32), f64::from(1e-2f32)));
        assert_eq!((first.placement, first.per), (L1Placement::BeforeClip, Per::Batch));
        assert!((planned.penalty(25).gamma - 5.5e-3).abs() < 1e-9);
    }

    /// With four batches per step, a strength applied per batch moves a gamma about four times as far as per
    /// step.
    #[test]
    fn batches_of_a_step_count_once_or_each() {
        let training = TrainConfig { nbs: 64, warmup_epochs: 0.0, ..bccd(50) };
        let distance = |per| {
            let config = L1Config { per, ..L1Config::from_preset(L1Preset::Original) };
            PlannedL1::new(&config, &training, 12, 50).unwrap().travel().unwrap()
        };
        let step = distance(Per::Step);
        let batch = distance(Per::Batch);
        assert_eq!((step.updates, batch.updates), (150, 150));
        assert!((batch.distance / step.distance - 4.0).abs() < 1e-9, "{step:?}, {batch:?}");
    }

    #[test]
    fn adamw_takes_numbers_alone() {
        let training = TrainConfig { optimizer: Optimizer::AdamW, ..bccd(50) };
        let error = PlannedL1::new(&by_travel(), &training, 13, 50).unwrap_err().to_string();
        assert!(error.contains("give `l1.gamma` and `l1.beta` as a number"), "{error}");
        let half = L1Config { gamma: Strength::Lambda(0.1), ..by_travel() };
        let error = PlannedL1::new(&half, &training, 13, 50).unwrap_err().to_string();
        assert!(error.contains("give `l1.beta` as a number"), "{error}");
        let seed = PlannedL1::new(&L1Config::from_preset(L1Preset::Original), &training, 13, 50).unwrap();
        assert!(
            seed.announcement().contains("on gamma 0.01, on beta 0.01 before"),
            "{}",
            seed.announcement()
        );
        assert_eq!((seed.warning(), seed.travel()), (None, None));
    }

    /// Under AdamW thresholds do not use momentum: the strength is that of SGD without momentum.
    #[test]
    fn thresholds_have_a_forecast_under_adamw() {
        let config = L1Config { method: L1Method::Proximal, ..by_travel() };
        let strength = |optimizer, momentum| {
            let training = TrainConfig { optimizer, momentum, warmup_epochs: 0.0, ..bccd(50) };
            let planned = PlannedL1::new(&config, &training, 13, 50).unwrap();
            let said = planned.announcement();
            assert!(
                said.contains("as a threshold after the step: alone it can move a gamma by 1.50 in"),
                "{said}"
            );
            assert_eq!(planned.penalty(0).method, L1Method::Proximal);
            planned.penalty(0).gamma
        };
        let share = strength(Optimizer::Sgd, 0.9) / strength(Optimizer::AdamW, 0.9);
        assert!((share - 0.1).abs() < 1e-6, "{share}");
    }

    #[test]
    fn groups_before_clipping_are_announced() {
        let config =
            L1Config { method: L1Method::GroupLasso, placement: L1Placement::BeforeClip, ..by_travel() };
        let said = PlannedL1::new(&config, &bccd(50), 13, 50).unwrap().announcement();
        assert!(
            said.contains(
                "by groups before clipping, which shrinks it: alone it can move a gamma by at most 1.50"
            ),
            "{said}"
        );
    }

    #[test]
    fn strengths_in_three_digits() {
        for (strength, text) in
            [(0.0, "0"), (0.052_74, "0.0527"), (0.01, "0.01"), (1.0, "1"), (123.4, "123"), (1500.0, "1500")]
        {
            assert_eq!(digits(strength), text);
        }
    }
}
