//! [`CoupledAdam`]: Adam and `NAdam` on single values, as in `torch.optim.Adam` and `torch.optim.NAdam`.
//!
//! Unlike AdamW, both add the weight decay to the gradient.

use crate::moments::MomentStep;
use crate::{Method, RoleRule, UpdateRule};

/// PyTorch's default for the decay of `NAdam`'s momentum.
const MOMENTUM_DECAY: f64 = 0.004;

/// One step of Adam or `NAdam` for the parameters of one role.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CoupledAdam {
    clip: f32,
    weight_decay: f32,
    /// Weight of the gradient in the first moment.
    take1: f32,
    /// Factor on the second moment and weight of the squared gradient in it.
    beta2: f32,
    take2: f32,
    /// Factor on the root of the second moment that corrects its start at zero.
    root: f32,
    eps: f32,
    /// Learning rates of the first moment and of the gradient, including the correction of the first moment.
    rate: f32,
    direct: f32,
}

impl CoupledAdam {
    /// `clip` is the factor on the gradient. `None` if the rule uses another method.
    pub(crate) fn new(rule: &UpdateRule, role: &RoleRule, clip: f32) -> Option<Self> {
        let (Method::Adam { beta2, eps, step } | Method::NAdam { beta2, eps, step }) = rule.method else {
            return None;
        };
        let steps = step.max(1);
        let beta1 = f64::from(rule.momentum);
        let beta2 = f64::from(beta2);
        let lr = f64::from(role.lr);
        let (rate, direct) = if matches!(rule.method, Method::Adam { .. }) {
            (lr / (1.0 - beta1.powf(steps as f64)), 0.0)
        } else {
            let now = momentum_at(beta1, steps);
            let next = momentum_at(beta1, steps + 1);
            let product = momentum_product(beta1, steps);
            (lr * next / (1.0 - product * next), lr * (1.0 - now) / (1.0 - product))
        };
        Some(Self {
            clip,
            weight_decay: role.weight_decay,
            take1: (1.0 - beta1) as f32,
            beta2: beta2 as f32,
            take2: (1.0 - beta2) as f32,
            root: (1.0 / (1.0 - beta2.powf(steps as f64)).sqrt()) as f32,
            eps,
            rate: rate as f32,
            direct: direct as f32,
        })
    }
}

impl MomentStep for CoupledAdam {
    #[inline]
    fn apply(&self, w: f32, g: f32, m: f32, s: f32) -> (f32, f32, f32) {
        let g = g * self.clip + self.weight_decay * w;
        let m = m + (g - m) * self.take1;
        let s = s * self.beta2 + g * g * self.take2;
        let moved = self.rate * m + self.direct * g;
        (w - moved / (s.sqrt() * self.root + self.eps), m, s)
    }
}

/// `NAdam`'s momentum at a step, from 1.
fn momentum_at(beta1: f64, step: u64) -> f64 {
    beta1 * (1.0 - 0.5 * 0.96f64.powf(step as f64 * MOMENTUM_DECAY))
}

/// The product of `NAdam`'s momenta of all steps up to this one. It falls at least as fast as `beta1^step`, and ends
/// where it no longer changes `1 - product`.
fn momentum_product(beta1: f64, step: u64) -> f64 {
    let mut product = 1.0;
    for step in 1..=step {
        product *= momentum_at(beta1, step);
        if product < 1e-20 {
            return 0.0;
        }
    }
    product
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_momentum_of_nadam_by_hand() {
        // 0.96^0.004 = 0.99983672...; 0.9 (1 - 0.49991836) = 0.45007348.
        assert!((momentum_at(0.9, 1) - 0.450_073_48).abs() < 1e-8);
        // 0.96^250 is below 4e-5: after 62500 steps the momentum is nearly beta1.
        assert!((momentum_at(0.9, 62_500) - 0.9).abs() < 2e-5);
        let two = momentum_product(0.9, 2);
        assert_eq!(two, momentum_at(0.9, 1) * momentum_at(0.9, 2));
        assert_eq!(momentum_product(0.937, u64::MAX), 0.0);
        assert_eq!(momentum_product(0.0, 3), 0.0);
    }
}
