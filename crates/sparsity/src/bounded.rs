//! [`BoundedL1`]: an L1 strength that follows the loss from epoch to epoch.
//!
//! No fixed strength suits every dataset: a strength that costs nothing on one dataset ruins a network on
//! another. The first epochs after warm-up train without L1 and give a reference loss. After that, the
//! strength grows from epoch to epoch while the smoothed loss is at most a given fraction above the
//! reference, and falls otherwise.

use std::ops::Range;

/// While the loss stays within the bound, the strength grows tenfold in this fraction of the compared epochs.
const DECADE: f64 = 1.0 / 3.0;
/// Number of raises that one epoch beyond the bound undoes, so that the loss recovers before the next raise.
const TAKEN_BACK: i32 = 3;
/// Weight of the newest epoch in the smoothed loss, so that one noisy epoch does not decide alone.
const NEWEST: f64 = 0.5;
/// Travel that the first strength would give if it stayed constant: a quarter of the way from 1 to 0.
const START: f64 = 0.25;
/// Fraction of the strength in the last epoch; in the final epochs the loss can no longer be compared.
const LAST: f64 = 0.1;
/// Number of epochs after warm-up that measure the loss without L1.
const REFERENCE: usize = 2;

/// Computes the strength on gammas for each epoch from the losses of the epochs before.
///
/// The rule has no state: the same losses give the same strength, so a resumed training continues unchanged.
#[derive(Debug, Clone, PartialEq)]
pub struct BoundedL1 {
    tolerance: f64,
    reference: Range<usize>,
    compared_until: usize,
    /// Factor from one epoch to the next while the loss stays within the bound.
    raise: f64,
    /// For each epoch, how far a strength of 1 can move a gamma.
    travel: Vec<f64>,
}

/// The properties of a training that are known before it begins.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BoundedPlan<'a> {
    /// Largest allowed fraction of the loss above the loss without L1.
    pub tolerance: f64,
    /// Number of epochs (the last may be partial) in which the learning rate warms up.
    pub warmup_epochs: usize,
    /// Number of epochs whose losses can be compared with each other: those before mosaic closes.
    pub compared_epochs: usize,
    /// For each epoch, how far a strength of 1 can move a gamma ([`Travel`](crate::Travel)).
    pub travel: &'a [f64],
}

impl BoundedL1 {
    /// The rule for a training of `plan.travel.len()` epochs. `None` if too few epochs follow the reference
    /// epochs, or if no strength can move a gamma.
    pub fn new(plan: &BoundedPlan<'_>) -> Option<Self> {
        let reference = plan.warmup_epochs..plan.warmup_epochs + REFERENCE;
        let rest: f64 = plan.travel.get(reference.end..)?.iter().sum();
        let is_usable = rest.is_finite() && rest > 0.0;
        let reference_end = reference.end;
        let compared = plan.compared_epochs.min(plan.travel.len()).checked_sub(reference.end)?;
        let rule = (is_usable && compared > 0).then(|| Self {
            tolerance: plan.tolerance,
            reference,
            compared_until: reference_end + compared,
            raise: 10.0_f64.powf(1.0 / (DECADE * compared as f64)),
            travel: plan.travel.to_vec(),
        })?;
        // A single epoch is too short even if the loss never limits the strength.
        (rule.reach(rule.start(), rule.reference.end) >= crate::Travel::ENOUGH).then_some(rule)
    }

    /// Largest allowed fraction of the loss above the loss without L1.
    pub const fn tolerance(&self) -> f64 {
        self.tolerance
    }

    /// Number of epochs without L1, at the start.
    pub const fn epochs_without(&self) -> usize {
        self.reference.end
    }

    /// The strength for the next epoch; `losses` are the mean losses of all epochs so far.
    ///
    /// `None` if even a strength that only grows from here could not move a gamma from 1 to 0 by the end. The
    /// loss then tolerates too little L1, and continuing the training is of no use for pruning.
    pub fn strength(&self, losses: &[f64]) -> Option<f64> {
        let epoch = losses.len();
        let Some(reference) = losses.get(self.reference.clone()) else { return Some(0.0) };
        let bound = (1.0 + self.tolerance) * reference.iter().sum::<f64>() / reference.len() as f64;
        let mut smoothed = bound / (1.0 + self.tolerance);
        let mut strength = self.start();
        let mut moved = 0.0;
        for (at, loss) in losses.iter().enumerate().skip(self.reference.end) {
            moved += self.falling(strength, at) * self.travel_in(at);
            if at < self.compared_until {
                smoothed += NEWEST * (loss - smoothed);
                // A NaN loss counts as beyond the bound.
                strength *= if smoothed <= bound { self.raise } else { self.raise.powi(-TAKEN_BACK) };
            }
        }
        (moved + self.reach(strength, epoch) >= crate::Travel::ENOUGH).then(|| self.falling(strength, epoch))
    }

    fn start(&self) -> f64 {
        let rest: f64 = self.travel[self.reference.end..].iter().sum();
        START / rest
    }

    /// How far a gamma could still be moved from `epoch` on, if every epoch raised the strength.
    fn reach(&self, mut strength: f64, epoch: usize) -> f64 {
        let mut reach = 0.0;
        for at in epoch..self.travel.len() {
            reach += self.falling(strength, at) * self.travel_in(at);
            if at < self.compared_until {
                strength *= self.raise;
            }
        }
        reach
    }

    /// The strength that is applied: after the compared epochs it falls linearly.
    fn falling(&self, strength: f64, epoch: usize) -> f64 {
        let after = epoch.saturating_sub(self.compared_until);
        let rest = self.travel.len() - self.compared_until;
        if epoch < self.compared_until {
            return strength;
        }
        strength * (1.0 - (1.0 - LAST) * (after + 1) as f64 / rest.max(1) as f64)
    }

    fn travel_in(&self, epoch: usize) -> f64 {
        self.travel.get(epoch).copied().unwrap_or(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EPOCHS: usize = 50;
    const COMPARED: usize = 40;

    fn rule() -> BoundedL1 {
        let travel = [1.0; EPOCHS];
        BoundedL1::new(&BoundedPlan {
            tolerance: 0.1,
            warmup_epochs: 3,
            compared_epochs: COMPARED,
            travel: &travel,
        })
        .unwrap()
    }

    /// The strengths and losses of a simulated training whose loss is a function of the strength.
    fn run(rule: &BoundedL1, loss: impl Fn(f64) -> f64) -> (Vec<f64>, Vec<f64>) {
        let mut losses = Vec::new();
        let mut strengths = Vec::new();
        while losses.len() < EPOCHS {
            let Some(strength) = rule.strength(&losses) else { break };
            strengths.push(strength);
            losses.push(loss(strength));
        }
        (strengths, losses)
    }

    #[test]
    fn it_begins_without_l1_and_grows_where_the_loss_does_not_mind() {
        let rule = rule();
        let (strengths, _) = run(&rule, |_| 3.0);
        assert_eq!(rule.epochs_without(), 5);
        assert!(strengths[..5].iter().all(|strength| *strength == 0.0));
        assert!((strengths[5] - START / 45.0).abs() < 1e-12, "{}", strengths[5]);
        assert!((strengths[6] / strengths[5] - rule.raise).abs() < 1e-12);
        let highest = strengths[COMPARED - 1] * rule.raise;
        assert!((strengths[EPOCHS - 1] / highest - LAST).abs() < 1e-12, "must fall to a tenth");
        assert_eq!(strengths.len(), EPOCHS);
    }

    /// With a loss that grows with the strength, the strength stays near the value at which the loss meets
    /// its bound.
    #[test]
    fn it_stays_around_what_the_loss_bears() {
        let bears = 0.05;
        let (strengths, losses) = run(&rule(), |strength| 3.0 * (1.0 + 0.1 * strength / bears));
        let late = &strengths[25..COMPARED];
        let mean = late.iter().sum::<f64>() / late.len() as f64;
        assert!((0.5 * bears..1.1 * bears).contains(&mean), "{mean}: {late:?}");
        assert!(late.iter().all(|strength| *strength <= 1.5 * bears), "{late:?}");
        assert!(losses[25..].iter().all(|loss| *loss < 3.0 * 1.17), "{losses:?}");
    }

    #[test]
    fn it_ends_where_the_loss_bears_nothing() {
        let (strengths, _) = run(&rule(), |strength| if strength > 0.0 { 6.0 } else { 3.0 });
        assert!(strengths.len() < EPOCHS, "the rule must end the training early");
        assert!(strengths.len() > 6);
        let not_a_number = run(&rule(), |strength| if strength > 0.0 { f64::NAN } else { 3.0 }).0;
        assert!(not_a_number.len() < EPOCHS);
    }

    #[test]
    fn the_same_losses_give_the_same_strength() {
        let rule = rule();
        let (strengths, losses) = run(&rule, |strength| 3.0 + 4.0 * strength);
        for epoch in 0..EPOCHS {
            assert_eq!(rule.strength(&losses[..epoch]), Some(strengths[epoch]));
        }
    }

    #[test]
    fn a_training_too_short_for_it_has_no_rule() {
        let plan = |travel: &'static [f64], compared_epochs| BoundedPlan {
            tolerance: 0.1,
            warmup_epochs: 3,
            compared_epochs,
            travel,
        };
        assert!(BoundedL1::new(&plan(&[1.0; 5], 5)).is_none());
        assert!(BoundedL1::new(&plan(&[1.0; 30], 5)).is_none(), "no epochs can be compared");
        assert!(BoundedL1::new(&plan(&[0.0; 30], 30)).is_none(), "no strength moves a gamma");
        assert!(BoundedL1::new(&plan(&[1.0; 6], 6)).is_none(), "one epoch is too few");
        assert!(BoundedL1::new(&plan(&[1.0; 7], 7)).is_some());
    }
}
