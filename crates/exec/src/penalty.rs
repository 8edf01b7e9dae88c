//! L1 on plain slices, for all executors: [`pull`] computes its gradient, [`shrink`] its proximal step.
//!
//! L1 applies to a few thousand scales and shifts of batch norms, so executors on a device may copy these
//! values to the host and copy the results back. The CUDA executor does so for groups and for the proximal
//! step only. Frozen parameters are excluded, also from groups.

use std::ops::Range;

use crate::penalty_map::{Mark, Marks};
use crate::{L1Method, Method, RoleRule, UpdateRule};

/// A range of the trained buffer and its values.
pub(crate) type Part = (Range<usize>, Vec<f32>);

/// Gradient of L1 for the ranges in `parts`, in ascending order; `values` reads parameters.
pub(crate) fn pull<E>(
    rule: &UpdateRule,
    parts: impl Iterator<Item = (Range<usize>, RoleRule)>,
    marks: &Marks,
    values: impl Fn(Range<usize>) -> Result<Vec<f32>, E>,
) -> Result<Vec<Part>, E> {
    let on: Vec<_> = parts.filter(|(_, role)| pulls(rule, role)).collect();
    let mut pull = on
        .iter()
        .map(|(range, _)| Ok((range.clone(), values(range.clone())?)))
        .collect::<Result<Vec<Part>, E>>()?;
    let groups = Group::all(rule, marks, &pull);
    for ((range, values), (_, role)) in pull.iter_mut().zip(&on) {
        for (value, mark) in values.iter_mut().zip(marks.within(range.clone())) {
            *value = role.l1
                * match mark {
                    Mark::Left => 0.0,
                    Mark::Alone => sign(*value),
                    Mark::Group(number) => {
                        groups.get(number).map_or_else(|| sign(*value), |group| group.direction(*value))
                    }
                };
        }
    }
    Ok(pull)
}

/// Whether L1 adds to the gradients of a role.
pub(crate) fn pulls(rule: &UpdateRule, role: &RoleRule) -> bool {
    role.l1 != 0.0
        && match rule.l1_method {
            L1Method::Subgradient | L1Method::GroupLasso => true,
            L1Method::Proximal => false,
        }
}

/// The sign of `v` with `sign(0) = 0`, as the recipe requires; NaN stays NaN.
fn sign(v: f32) -> f32 {
    if v == 0.0 { 0.0 } else { v.signum() }
}

/// Gammas that are penalised together.
#[derive(Debug, Clone, Copy, Default)]
struct Group {
    members: u32,
    squares: f64,
}

impl Group {
    /// All groups, summed in the order of the buffer; empty if the method has no groups.
    fn all(rule: &UpdateRule, marks: &Marks, parts: &[Part]) -> Vec<Self> {
        if rule.l1_method != L1Method::GroupLasso {
            return Vec::new();
        }
        let mut groups = vec![Self::default(); marks.groups()];
        for (range, values) in parts {
            for (value, mark) in values.iter().zip(marks.within(range.clone())) {
                if let Mark::Group(number) = mark {
                    groups[number].members += 1;
                    groups[number].squares += f64::from(*value).powi(2);
                }
            }
        }
        groups
    }

    /// `sqrt(n) * value / norm`, which is the sign if all gammas of the group are equal; 0 for a group of
    /// zeros.
    fn direction(&self, value: f32) -> f32 {
        if self.squares == 0.0 {
            return 0.0;
        }
        (f64::from(value) * (f64::from(self.members) / self.squares).sqrt()) as f32
    }
}

/// Distance by which a step moves the parameters of a role towards zero; `None` if L1 is part of the gradient
/// or off.
///
/// Under SGD, momentum turns a constant gradient into steps of `lr * l1 / (1 - momentum)`, so that is the
/// threshold: a strength then moves a parameter as far as [`L1Method::Subgradient`] does. Other methods
/// have no such factor.
pub(crate) fn threshold(rule: &UpdateRule, role: &RoleRule) -> Option<f32> {
    if role.l1 == 0.0 || pulls(rule, role) {
        return None;
    }
    let step = f64::from(role.lr) * f64::from(role.l1);
    Some(match rule.method {
        Method::Sgd => (step / (1.0 - f64::from(rule.momentum))) as f32,
        Method::AdamW { .. } | Method::Adam { .. } | Method::NAdam { .. } | Method::RmsProp { .. } => {
            step as f32
        }
    })
}

/// Moves the penalised values of a range by `threshold` towards zero and stops at zero.
pub(crate) fn shrink(threshold: f32, marks: &Marks, range: Range<usize>, values: &mut [f32]) {
    for (value, mark) in values.iter_mut().zip(marks.within(range)) {
        if mark != Mark::Left {
            *value = if value.abs() <= threshold { 0.0 } else { *value - threshold * sign(*value) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sign_is_zero_at_zero() {
        assert_eq!([-0.0f32, 0.0, 2.0, -3.0].map(sign), [0.0, 0.0, 1.0, -1.0]);
        assert!(sign(f32::NAN).is_nan());
    }

    #[test]
    fn shrinking_ends_at_zero() {
        let mut values = [1.0f32, -1.0, 0.25, -0.25, 0.2, 0.0, f32::NAN, f32::NEG_INFINITY];
        shrink(0.25, &Marks::default(), 0..8, &mut values);
        assert_eq!(values[..6], [0.75, -0.75, 0.0, 0.0, 0.0, 0.0]);
        assert!(values[..6].iter().all(|v| *v != 0.0 || v.is_sign_positive()));
        assert!(values[6].is_nan() && values[7] == f32::NEG_INFINITY);
    }

    #[test]
    fn thresholds_by_hand() {
        let mut rule = UpdateRule { momentum: 0.75, l1_method: L1Method::Proximal, ..UpdateRule::sgd(0.5) };
        let role = RoleRule { lr: 0.5, weight_decay: 0.0, l1: 0.25 };
        assert_eq!(threshold(&rule, &role), Some(0.5));
        assert_eq!(threshold(&rule, &RoleRule { l1: 0.0, ..role }), None);
        rule.method = Method::AdamW { beta2: 0.999, eps: 1e-8, step: 1 };
        assert_eq!(threshold(&rule, &role), Some(0.125));
        rule.l1_method = L1Method::GroupLasso;
        assert_eq!(threshold(&rule, &role), None);
    }
}
