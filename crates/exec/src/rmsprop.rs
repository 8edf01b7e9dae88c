//! [`RmsPropStep`]: `RMSprop` with momentum on single values, as in `torch.optim.RMSprop`.

use crate::moments::MomentStep;
use crate::{Method, RoleRule, UpdateRule};

/// One step of `RMSprop` for the parameters of one role.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RmsPropStep {
    clip: f32,
    weight_decay: f32,
    momentum: f32,
    /// Factor on the second moment and weight of the squared gradient in it.
    alpha: f32,
    take: f32,
    eps: f32,
    lr: f32,
}

impl RmsPropStep {
    /// `clip` is the factor on the gradient. `None` if the rule uses another method.
    pub(crate) fn new(rule: &UpdateRule, role: &RoleRule, clip: f32) -> Option<Self> {
        let Method::RmsProp { alpha, eps } = rule.method else { return None };
        let RoleRule { lr, weight_decay, .. } = *role;
        let take = (1.0 - f64::from(alpha)) as f32;
        Some(Self { clip, weight_decay, momentum: rule.momentum, alpha, take, eps, lr })
    }
}

impl MomentStep for RmsPropStep {
    #[inline]
    fn apply(&self, w: f32, g: f32, m: f32, s: f32) -> (f32, f32, f32) {
        let g = g * self.clip + self.weight_decay * w;
        let s = s * self.alpha + g * g * self.take;
        let m = self.momentum * m + g / (s.sqrt() + self.eps);
        (w - self.lr * m, m, s)
    }
}
