//! [`UpdateRule`]: the optimiser step as data, with its method, weight decay, L1 on batch norm, clipping and
//! averaging.

use bonsai_graph::ParamRole;
use serde::{Deserialize, Serialize};

/// Rates and strengths for the parameters of one role.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct RoleRule {
    /// Learning rate.
    pub lr: f32,
    /// Weight decay. AdamW subtracts `lr * weight_decay * w` from the parameter; all other methods add
    /// `weight_decay * w` to the gradient.
    pub weight_decay: f32,
    /// Strength of L1; [`UpdateRule::l1_method`] defines its effect.
    pub l1: f32,
}

/// Whether L1 is added to the gradient before or after clipping.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum L1Placement {
    /// L1 is added first and is scaled down with the gradient, as in the hand-patched trainers.
    #[default]
    BeforeClip,
    /// L1 is added to the clipped gradient, so that clipping does not change its strength.
    AfterClip,
}

/// How L1 acts on the channels that [`Executor::penalise`](crate::Executor::penalise) selects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum L1Method {
    /// `l1 * sign(w)` is added to the gradient, with `sign(0) = 0`. Parameters approach zero and oscillate
    /// around it.
    #[default]
    Subgradient,
    /// After the step, `w` moves towards zero by `lr * l1 / (1 - momentum)` (SGD) or `lr * l1` (others) and
    /// stops at zero. This gives exact zeros and does not affect gradients, their norm or clipping. Under
    /// SGD, a strength moves a parameter as far as the subgradient does.
    Proximal,
    /// `l1 * sqrt(n) * w / norm` is added to the gradient of the `n` gammas of a group, where `norm` is the
    /// norm of the group (Yuan and Lin, 2006); nothing is added if the norm is 0. The channels of a group
    /// become small together; for equal gammas the term is `l1 * sign(w)`. Betas and gammas without a group
    /// use `l1 * sign(w)`.
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
        /// Factor on the mean square of gradients in a step.
        beta2: f32,
        /// Added to the root of the mean square.
        eps: f32,
        /// Number of this step, from 1; it corrects the means, which start at zero.
        step: u64,
    },
    /// Adam (Kingma and Ba, 2015): as `AdamW`, with the weight decay added to the gradient.
    Adam {
        /// As in `AdamW`.
        beta2: f32,
        /// As in `AdamW`.
        eps: f32,
        /// As in `AdamW`.
        step: u64,
    },
    /// Adam with Nesterov momentum (Dozat, 2016): the momentum of a step is
    /// `beta1 * (1 - 0.96^(step * 0.004) / 2)`; the weight decay is added to the gradient.
    NAdam {
        /// As in `AdamW`.
        beta2: f32,
        /// As in `AdamW`.
        eps: f32,
        /// As in `AdamW`.
        step: u64,
    },
    /// `RMSprop` with momentum: the momentum sums gradients that are divided by the root of their mean square.
    RmsProp {
        /// Factor on the mean square of gradients in a step.
        alpha: f32,
        /// Added to the root of the mean square.
        eps: f32,
    },
}

impl Method {
    /// Whether a step uses [`Buffer::SecondMoment`](crate::Buffer::SecondMoment).
    pub const fn keeps_second_moment(self) -> bool {
        !matches!(self, Self::Sgd)
    }

    /// The name in messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sgd => "SGD",
            Self::AdamW { .. } => "AdamW",
            Self::Adam { .. } => "Adam",
            Self::NAdam { .. } => "NAdam",
            Self::RmsProp { .. } => "RMSProp",
        }
    }
}

/// One optimiser step. Order: L1 (if before), clip, L1 (if after), weight decay, momentum, step, soft
/// threshold (only for [`L1Method::Proximal`]), average.
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
    /// How a gradient becomes a step.
    pub method: Method,
    /// Momentum: `v = momentum * v + g`; in the Adams `v = momentum * v + (1 - momentum) * g`.
    pub momentum: f32,
    /// Whether SGD uses `g + momentum * v` instead of `v` (Nesterov momentum in PyTorch's form).
    pub nesterov: bool,
    /// Largest global gradient norm; gradients with a larger norm are scaled down to it.
    pub clip_norm: Option<f32>,
    /// How L1 acts.
    pub l1_method: L1Method,
    /// Whether L1 is added before or after clipping, if the method adds it to gradients.
    pub l1_placement: L1Placement,
    /// `ema = decay * ema + (1 - decay) * w`, for parameters and running statistics.
    pub ema_decay: f32,
}

impl UpdateRule {
    /// Plain gradient descent with one learning rate; a base for struct update syntax.
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

/// Result of a step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct UpdateReport {
    /// Global gradient norm before clipping, including L1 if that is added before clipping.
    pub gradient_norm: f32,
}
