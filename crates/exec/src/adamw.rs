//! [`AdamStep`]: AdamW on single values, as in `torch.optim.AdamW`.

use crate::moments::MomentStep;
use crate::{Method, RoleRule, UpdateRule};

/// Factors of one step for one role. The kernel `bonsai_adamw` takes them as they are.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(C)]
pub(crate) struct AdamFactors {
    /// Factor on the parameter: one minus its weight decay.
    pub(crate) keep: f32,
    /// Weight of the gradient in the first moment.
    pub(crate) take1: f32,
    /// Factor on the second moment and weight of the squared gradient in it.
    pub(crate) beta2: f32,
    pub(crate) take2: f32,
    /// Factor on the root of the second moment that corrects its start at zero.
    pub(crate) root: f32,
    pub(crate) eps: f32,
    /// Learning rate, including the correction of the first moment.
    pub(crate) rate: f32,
}

impl AdamFactors {
    /// `None` if the rule uses another method.
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

/// One step of AdamW for the parameters of one role.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AdamStep {
    clip: f32,
    factors: AdamFactors,
}

impl AdamStep {
    /// `clip` is the factor on the gradient. `None` if the rule uses another method.
    pub(crate) fn new(rule: &UpdateRule, role: &RoleRule, clip: f32) -> Option<Self> {
        let factors = AdamFactors::new(rule, role)?;
        Some(Self { clip, factors })
    }
}

impl MomentStep for AdamStep {
    #[inline]
    fn apply(&self, w: f32, g: f32, m: f32, s: f32) -> (f32, f32, f32) {
        let AdamFactors { keep, take1, beta2, take2, root, eps, rate } = self.factors;
        let g = g * self.clip;
        let m = m + (g - m) * take1;
        let s = s * beta2 + g * g * take2;
        (w * keep - rate * m / (s.sqrt() * root + eps), m, s)
    }
}
