//! The optimiser step as data: SGD with momentum or AdamW, weight decay, L1 on batch norm, clipping and averaging.

use bonsai_graph::ParamRole;
use serde::{Deserialize, Serialize};

/// What one role's parameters are subject to.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct RoleRule {
    /// Learning rate.
    pub lr: f32,
    /// Weight decay: added to the gradient as `weight_decay * w`; by AdamW taken off the parameter as
    /// `lr * weight_decay * w`.
    pub weight_decay: f32,
    /// Strength of L1; [`UpdateRule::l1_method`] says what it does.
    pub l1: f32,
}

/// Whether clipping sees the L1 term.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum L1Placement {
    /// L1 is added first and shrinks with the gradient, as in the hand-patched trainers.
    #[default]
    BeforeClip,
    /// L1 is added to the clipped gradient, so that its strength is what was asked for.
    AfterClip,
}

/// What L1 does with its strength, on the channels that [`Executor::penalise`](crate::Executor::penalise) leaves to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum L1Method {
    /// `l1 * sign(w)` is added to the gradient, with `sign(0) = 0`. Parameters come near zero and swing around it.
    #[default]
    Subgradient,
    /// After the step `w` moves towards zero by `lr * l1 / (1 - momentum)` (SGD) or `lr * l1` (AdamW) and stops there:
    /// true zeros, and no part in gradients, their norm or clipping. Under SGD a strength moves a parameter as far as it
    /// does as a subgradient.
    Proximal,
    /// `l1 * sqrt(n) * w / norm` is added to the gradient of the `n` gammas of a group, where `norm` is that of the
    /// group (Yuan and Lin, 2006), and nothing where it is 0: channels that go together become small together. Equal
    /// gammas are pulled as by their sign. What is in no group, and betas, are pulled by their sign.
    GroupLasso,
}

/// How a gradient becomes a step, as in PyTorch.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// Stochastic gradient descent with momentum.
    #[default]
    Sgd,
    /// Adam with decoupled weight decay (Loshchilov and Hutter, 2019); [`UpdateRule::momentum`] is its beta1.
    AdamW {
        /// What the mean square of gradients keeps of itself in a step.
        beta2: f32,
        /// Added to the root of the mean square.
        eps: f32,
        /// Number of this step, from 1, by which means that start at zero are corrected.
        step: u64,
    },
}

/// One optimiser step. Order: L1 (if before), clip, L1 (if after), weight decay, momentum, step, soft threshold (if that is
/// what L1 is), average.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct UpdateRule {
    /// Convolution kernels.
    pub conv_weight: RoleRule,
    /// Convolution biases.
    pub conv_bias: RoleRule,
    /// Batch-norm scales.
    pub bn_gamma: RoleRule,
    /// Batch-norm shifts.
    pub bn_beta: RoleRule,
    /// What makes a step of a gradient.
    pub method: Method,
    /// Momentum: `v = momentum * v + g`; in AdamW `v = momentum * v + (1 - momentum) * g`.
    pub momentum: f32,
    /// Whether the step looks ahead: `g + momentum * v` instead of `v` (PyTorch's form). SGD only.
    pub nesterov: bool,
    /// Largest global gradient norm; larger gradients are scaled down to it.
    pub clip_norm: Option<f32>,
    /// What L1 does.
    pub l1_method: L1Method,
    /// Where the L1 term goes, if it is added to gradients.
    pub l1_placement: L1Placement,
    /// `ema = decay * ema + (1 - decay) * w`, for parameters and running statistics.
    pub ema_decay: f32,
}

impl UpdateRule {
    /// Plain gradient descent with one learning rate; a start for struct update syntax.
    pub fn sgd(lr: f32) -> Self {
        let rule = RoleRule { lr, ..RoleRule::default() };
        Self {
            conv_weight: rule,
            conv_bias: rule,
            bn_gamma: rule,
            bn_beta: rule,
            method: Method::Sgd,
            momentum: 0.0,
            nesterov: false,
            clip_norm: None,
            l1_method: L1Method::default(),
            l1_placement: L1Placement::default(),
            ema_decay: 0.0,
        }
    }

    /// The rule of a trained role; `None` for running statistics.
    pub const fn role(&self, role: ParamRole) -> Option<&RoleRule> {
        match role {
            ParamRole::ConvWeight => Some(&self.conv_weight),
            ParamRole::ConvBias => Some(&self.conv_bias),
            ParamRole::BnGamma => Some(&self.bn_gamma),
            ParamRole::BnBeta => Some(&self.bn_beta),
            ParamRole::BnMean | ParamRole::BnVar => None,
        }
    }
}

/// What a step found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct UpdateReport {
    /// Global gradient norm before clipping (with L1 if that goes before).
    pub gradient_norm: f32,
}
