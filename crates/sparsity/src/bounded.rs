//! A strength of L1 that the loss decides from epoch to epoch ([`BoundedL1`]).
//!
//! No fixed strength suits every dataset: one that costs nothing on one dataset ruins a network on another. So some epochs
//! without L1, at the learning rate that follows, give a reference loss. After that, the strength grows from epoch to epoch
//! while the smoothed loss is at most a given fraction above the reference, and falls otherwise.

use std::ops::Range;

/// While the loss stays within the bound, the strength grows ten times in this part of the epochs that are compared.
const DECADE: f64 = 1.0 / 3.0;
/// Raises that one epoch beyond the bound takes back, so that the loss recovers before the next try.
const TAKEN_BACK: i32 = 3;
/// Weight of the newest epoch in the smoothed loss: one noisy epoch alone does not decide.
const NEWEST: f64 = 0.5;
/// Distance that the first strength would move a gamma by, if it stayed: a quarter of the way from 1 to 0.
const START: f64 = 0.25;
/// Fraction of the strength that is left in the last epoch, where the loss can no longer be compared.
const LAST: f64 = 0.1;
/// Epochs after warm-up that say what the loss is without L1.
const REFERENCE: usize = 2;

/// The strength on gammas in every epoch, from the losses of the epochs before.
///
/// It has no state: the same losses give the same strength, so a training that is resumed goes on as it would have.
#[derive(Debug, Clone, PartialEq)]
pub struct BoundedL1 {
    tolerance: f64,
    reference: Range<usize>,
    compared_until: usize,
    /// Factor from one epoch to the next while the loss stays within the bound.
    raise: f64,
    /// By epoch, how far a strength of 1 can move a gamma.
    travel: Vec<f64>,
}

/// What is known of a training before it begins.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BoundedPlan<'a> {
    /// Fraction by which the loss may be above that without L1.
    pub tolerance: f64,
    /// Epochs, also begun ones, in which the learning rate still warms up.
    pub warmup_epochs: usize,
    /// Epochs whose losses can be compared with those of the first: those before mosaic closes.
    pub compared_epochs: usize,
    /// By epoch, how far a strength of 1 can move a gamma ([`Travel`](crate::Travel)).
    pub travel: &'a [f64],
}

impl BoundedL1 {
    /// The rule for a training of as many epochs as `travel` has; `None` where too few epochs are left for L1 after those that
    /// say what the loss is without it, or no strength moves anything.
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
        // One epoch is too few whatever the loss bears.
        (rule.reach(rule.start(), rule.reference.end) >= crate::Travel::ENOUGH).then_some(rule)
    }

    /// Fraction by which the loss may be above that without L1.
    pub const fn tolerance(&self) -> f64 {
        self.tolerance
    }

    /// Epochs that have no L1.
    pub const fn epochs_without(&self) -> usize {
        self.reference.end
    }

    /// The strength of the epoch after those whose mean losses these are.
    ///
    /// `None` if even a strength that only grows from here could not move a gamma from 1 to 0 by the end: the loss bears too
    /// little, and the rest of the training is of no use for pruning.
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
                // A loss that is no number is beyond every bound.
                strength *= if smoothed <= bound { self.raise } else { self.raise.powi(-TAKEN_BACK) };
            }
        }
        (moved + self.reach(strength, epoch) >= crate::Travel::ENOUGH).then(|| self.falling(strength, epoch))
    }

    fn start(&self) -> f64 {
        let rest: f64 = self.travel[self.reference.end..].iter().sum();
        START / rest
    }

    /// How far a gamma could still be moved from `epoch` on, if the loss bore every raise.
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

    /// Strengths of a training whose loss answers to the strength.
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
        assert!((strengths[EPOCHS - 1] / highest - LAST).abs() < 1e-12, "falls to a tenth");
        assert_eq!(strengths.len(), EPOCHS);
    }

    /// A loss that grows with the strength: the strength stays around the one at which the loss meets its bound.
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
        assert!(strengths.len() < EPOCHS, "it was cut short");
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
        assert!(BoundedL1::new(&plan(&[1.0; 30], 5)).is_none(), "nothing to compare with");
        assert!(BoundedL1::new(&plan(&[0.0; 30], 30)).is_none(), "nothing moves");
        assert!(BoundedL1::new(&plan(&[1.0; 6], 6)).is_none(), "one epoch is too few");
        assert!(BoundedL1::new(&plan(&[1.0; 7], 7)).is_some());
    }
}
