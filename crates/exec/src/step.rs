//! [`ValueStep`]: the optimiser step on single values, which all executors share.

use std::ops::Range;

use bonsai_graph::ParamRole;

use crate::frozen::Frozen;
use crate::{RoleRule, UpdateRule};

/// Number of values in one task, and the unit in which sums are combined. It is fixed so that sums do not
/// depend on threads.
pub(crate) const CHUNK: usize = 1 << 14;

/// The ranges that a step changes, role by role, with the rule of each.
pub(crate) fn role_rules(
    rule: &UpdateRule,
    range: impl Fn(ParamRole) -> Range<usize>,
    frozen: &Frozen,
) -> impl Iterator<Item = (Range<usize>, RoleRule)> {
    let rules = ParamRole::ALL.into_iter().filter_map(move |role| Some((range(role), *rule.role(role)?)));
    rules.flat_map(|(range, rule)| frozen.trained(range).map(move |part| (part, rule)))
}

/// PyTorch's `clip_grad_norm_`: `limit / (norm + 1e-6)`, at most 1.
pub(crate) fn clip_factor(rule: &UpdateRule, norm: f32) -> f32 {
    rule.clip_norm.map_or(1.0, |limit| (limit / (norm + 1e-6)).min(1.0))
}

/// Number of independent partial sums: an addition takes several cycles, and independent ones need not wait
/// for each other.
const LANES: usize = 16;

/// Sum of squares, in an order that depends only on the length.
pub(crate) fn sum_of_squares(values: &[f32]) -> f64 {
    let (whole, rest) = values.as_chunks::<LANES>();
    let mut lanes = [0.0f64; LANES];
    for values in whole {
        for (lane, value) in lanes.iter_mut().zip(values) {
            *lane += f64::from(*value).powi(2);
        }
    }
    lanes.iter().sum::<f64>() + rest.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>()
}

/// One step of SGD for the parameters of one role.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ValueStep {
    clip: f32,
    weight_decay: f32,
    momentum: f32,
    nesterov: bool,
    lr: f32,
}

impl ValueStep {
    /// `clip` is the factor on the gradient.
    pub(crate) const fn new(rule: &UpdateRule, role: &RoleRule, clip: f32) -> Self {
        Self {
            clip,
            weight_decay: role.weight_decay,
            momentum: rule.momentum,
            nesterov: rule.nesterov,
            lr: role.lr,
        }
    }

    /// Computes the new parameter and momentum from parameter, gradient and momentum.
    #[inline]
    pub(crate) fn apply(&self, w: f32, g: f32, v: f32) -> (f32, f32) {
        let g = g * self.clip + self.weight_decay * w;
        let moved = self.momentum * v + g;
        let step = if self.nesterov { g + self.momentum * moved } else { moved };
        (w - self.lr * step, moved)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn squares_of_every_length_are_summed() {
        for len in [0, 1, 15, 16, 17, 40] {
            let values: Vec<f32> = (0..len).map(|i: u8| f32::from(i) - 2.0).collect();
            let expected: f64 = (0..len).map(|i| (f64::from(i) - 2.0).powi(2)).sum();
            assert_eq!(sum_of_squares(&values), expected);
        }
    }
}
