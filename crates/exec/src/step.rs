//! The optimiser step on single values: the arithmetic that all executors share.

use std::ops::Range;

use bonsai_graph::ParamRole;

use crate::frozen::Frozen;
use crate::{L1Placement, RoleRule, UpdateRule};

/// Values handled by one task, and the unit in which sums are combined: fixed, so that sums do not depend on threads.
pub(crate) const CHUNK: usize = 1 << 14;

/// The ranges that a step works on, role by role, with what they are subject to.
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

/// `sign(0) = 0`, as the recipe asks; NaN stays visible.
#[inline]
pub(crate) fn sign(v: f32) -> f32 {
    if v == 0.0 { 0.0 } else { v.signum() }
}

/// The L1 strengths before and after clipping.
pub(crate) fn l1_parts(rule: &UpdateRule, role: &RoleRule) -> (f32, f32) {
    match rule.l1_placement {
        L1Placement::BeforeClip => (role.l1, 0.0),
        L1Placement::AfterClip => (0.0, role.l1),
    }
}

/// Partial sums kept side by side: an addition takes several cycles, and they need not wait for each other.
const LANES: usize = 16;

/// Sum of `(g + l1 * sign(w))^2`, in an order that depends on the length alone.
pub(crate) fn sum_of_squares(g: &[f32], w: &[f32], l1: f32) -> f64 {
    let square = |g: f32, w: f32| f64::from(g + l1 * sign(w)).powi(2);
    let (g_lanes, g_rest) = g.as_chunks::<LANES>();
    let (w_lanes, w_rest) = w.as_chunks::<LANES>();
    let mut lanes = [0.0f64; LANES];
    for (g, w) in g_lanes.iter().zip(w_lanes) {
        for (lane, (g, w)) in lanes.iter_mut().zip(g.iter().zip(w)) {
            *lane += square(*g, *w);
        }
    }
    let rest: f64 = g_rest.iter().zip(w_rest).map(|(g, w)| square(*g, *w)).sum();
    lanes.iter().sum::<f64>() + rest
}

/// The gradient that a step uses: with L1, before or after clipping.
#[derive(Debug, Clone, Copy)]
pub(crate) struct UsedGradient {
    clip: f32,
    l1_before: f32,
    l1_after: f32,
}

impl UsedGradient {
    /// `clip` is the factor on the gradient.
    pub(crate) fn new(rule: &UpdateRule, role: &RoleRule, clip: f32) -> Self {
        let (l1_before, l1_after) = l1_parts(rule, role);
        Self { clip, l1_before, l1_after }
    }

    /// From parameter and gradient.
    #[inline]
    pub(crate) fn of(&self, w: f32, g: f32) -> f32 {
        let sign = sign(w);
        (g + self.l1_before * sign) * self.clip + self.l1_after * sign
    }
}

/// What one parameter of a role is subject to in one step of SGD.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ValueStep {
    gradient: UsedGradient,
    weight_decay: f32,
    momentum: f32,
    nesterov: bool,
    lr: f32,
}

impl ValueStep {
    /// `clip` is the factor on the gradient.
    pub(crate) fn new(rule: &UpdateRule, role: &RoleRule, clip: f32) -> Self {
        Self {
            gradient: UsedGradient::new(rule, role, clip),
            weight_decay: role.weight_decay,
            momentum: rule.momentum,
            nesterov: rule.nesterov,
            lr: role.lr,
        }
    }

    /// New parameter and momentum from parameter, gradient and momentum.
    #[inline]
    pub(crate) fn apply(&self, w: f32, g: f32, v: f32) -> (f32, f32) {
        let g = self.gradient.of(w, g) + self.weight_decay * w;
        let moved = self.momentum * v + g;
        let step = if self.nesterov { g + self.momentum * moved } else { moved };
        (w - self.lr * step, moved)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sign_is_zero_at_zero() {
        assert_eq!([-0.0f32, 0.0, 2.0, -3.0].map(sign), [0.0, 0.0, 1.0, -1.0]);
    }

    #[test]
    fn squares_of_every_length_are_summed() {
        for len in [0, 1, 15, 16, 17, 40] {
            let g: Vec<f32> = (0..len).map(|i| i as f32).collect();
            let w = vec![-1.0f32; len];
            let expected: f64 = (0..len).map(|i| (i as f64 - 2.0).powi(2)).sum();
            assert_eq!(sum_of_squares(&g, &w, 2.0), expected);
        }
    }
}
