//! AdamW on single values, as `torch.optim.AdamW`.

use crate::{Method, RoleRule, UpdateRule};

/// The factors of a step, of one role.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct AdamFactors {
    /// What the parameter keeps of itself: one less its decay.
    pub(crate) keep: f32,
    /// What the first moment takes of the gradient.
    pub(crate) take1: f32,
    /// What the second moment keeps of itself, and takes of the gradient's square.
    pub(crate) beta2: f32,
    pub(crate) take2: f32,
    /// Factor on the root of the second moment, which corrects its start at zero.
    pub(crate) root: f32,
    pub(crate) eps: f32,
    /// Learning rate, with the correction of the first moment.
    pub(crate) rate: f32,
}

impl AdamFactors {
    /// `None` where the rule is another method's.
    pub(crate) fn new(rule: &UpdateRule, role: &RoleRule) -> Option<Self> {
        let Method::AdamW { beta2, eps, step } = rule.method else { return None };
        let beta1 = f64::from(rule.momentum);
        let beta2 = f64::from(beta2);
        let lr = f64::from(role.lr);
        let steps = step.max(1) as f64;
        Some(Self {
            keep: (1.0 - lr * f64::from(role.weight_decay)) as f32,
            take1: (1.0 - beta1) as f32,
            beta2: beta2 as f32,
            take2: (1.0 - beta2) as f32,
            root: (1.0 / (1.0 - beta2.powf(steps)).sqrt()) as f32,
            eps,
            rate: (lr / (1.0 - beta1.powf(steps))) as f32,
        })
    }
}

/// What one parameter of a role is subject to in one step.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AdamStep {
    clip: f32,
    factors: AdamFactors,
}

impl AdamStep {
    /// `clip` is the factor on the gradient; `None` where the rule is another method's.
    pub(crate) fn new(rule: &UpdateRule, role: &RoleRule, clip: f32) -> Option<Self> {
        let factors = AdamFactors::new(rule, role)?;
        Some(Self { clip, factors })
    }

    /// New parameter, first and second moment from parameter, gradient and moments.
    #[inline]
    pub(crate) fn apply(&self, w: f32, g: f32, m: f32, s: f32) -> (f32, f32, f32) {
        let AdamFactors { keep, take1, beta2, take2, root, eps, rate } = self.factors;
        let g = g * self.clip;
        let m = m + (g - m) * take1;
        let s = s * beta2 + g * g * take2;
        (w * keep - rate * m / (s.sqrt() * root + eps), m, s)
    }
}
