//! L1 on batch norm as a configuration: a preset, and what is to differ from it.

use bonsai_exec::{L1Method, L1Placement};
use bonsai_sparsity::{Decay, L1Plan, Strength};
use bonsai_train::Per;
use serde::{Deserialize, Serialize};

/// Where the keys of [`L1Config`] start from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum L1Preset {
    /// As strong as it can be while the loss stays within a tenth above that without L1, after clipping, once for each
    /// optimiser step; channels that pruning cannot remove are left alone.
    #[default]
    Default,
    /// The hand-patched trainers' recipe: 1e-2 on gamma falling to a tenth, 1e-2 on beta, before clipping, once for each
    /// batch, on every channel.
    #[serde(alias = "seed")]
    Original,
}

/// L1 on batch norm. Read from a configuration, keys that are left out are as in its preset.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "L1Keys")]
pub struct L1Config {
    /// What the other keys started from.
    pub preset: L1Preset,
    /// Strength on gammas: a number, `{ loss = FRACTION }` for as strong as it can be while the loss stays within this
    /// fraction above that without L1, or `{ travel = DISTANCE }` for as strong as it takes to move a gamma so far.
    pub gamma: Strength,
    /// Strength on betas: a number, `{ of_gamma = FRACTION }` or `{ travel = DISTANCE }`.
    pub beta: Strength,
    /// What becomes of the strength on gammas over the epochs.
    pub gamma_decay: Decay,
    /// What no strength that is chosen for a travel goes beyond; where the loss decides, it alone does.
    pub limit: f64,
    /// Added to gradients, as a threshold, or to gradients of coupled gammas together.
    pub method: L1Method,
    /// Before clipping, which shrinks it, or after.
    pub placement: L1Placement,
    /// Once for each optimiser step, or for each batch.
    pub per: Per,
    /// Whether channels that pruning cannot remove are left alone.
    pub exclude_unprunable: bool,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct L1Keys {
    preset: L1Preset,
    gamma: Option<Strength>,
    beta: Option<Strength>,
    gamma_decay: Option<Decay>,
    limit: Option<f64>,
    method: Option<L1Method>,
    placement: Option<L1Placement>,
    per: Option<Per>,
    exclude_unprunable: Option<bool>,
}

impl TryFrom<L1Keys> for L1Config {
    type Error = bonsai_sparsity::PlanError;

    fn try_from(keys: L1Keys) -> Result<Self, Self::Error> {
        let start = Self::from_preset(keys.preset);
        let config = Self {
            preset: keys.preset,
            gamma: keys.gamma.unwrap_or(start.gamma),
            beta: keys.beta.unwrap_or(start.beta),
            gamma_decay: keys.gamma_decay.unwrap_or(start.gamma_decay),
            limit: keys.limit.unwrap_or(start.limit),
            method: keys.method.unwrap_or(start.method),
            placement: keys.placement.unwrap_or(start.placement),
            per: keys.per.unwrap_or(start.per),
            exclude_unprunable: keys.exclude_unprunable.unwrap_or(start.exclude_unprunable),
        };
        config.plan().check().map(|()| config)
    }
}

impl L1Config {
    /// A preset as it is.
    pub const fn from_preset(preset: L1Preset) -> Self {
        let (plan, placement, per, exclude_unprunable) = match preset {
            L1Preset::Default => (L1Plan::DEFAULT, L1Placement::AfterClip, Per::Step, true),
            L1Preset::Original => (L1Plan::ORIGINAL, L1Placement::BeforeClip, Per::Batch, false),
        };
        let method = L1Method::Subgradient;
        let L1Plan { gamma, beta, gamma_decay, limit } = plan;
        Self { preset, gamma, beta, gamma_decay, limit, method, placement, per, exclude_unprunable }
    }

    /// The strengths that are asked for.
    pub const fn plan(&self) -> L1Plan {
        let Self { gamma, beta, gamma_decay, limit, .. } = *self;
        L1Plan { gamma, beta, gamma_decay, limit }
    }
}

impl Default for L1Config {
    fn default() -> Self {
        Self::from_preset(L1Preset::Default)
    }
}
