//! [`L1Config`]: the configuration of L1 on batch norm, a preset and the keys that differ from it.

use bonsai_exec::{L1Method, L1Placement};
use bonsai_sparsity::{Decay, L1Plan, Strength};
use bonsai_train::Per;
use serde::{Deserialize, Serialize};

/// The default values of the keys of [`L1Config`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum L1Preset {
    /// The strongest L1 with a loss of at most a tenth above the loss without L1; after clipping, once per
    /// optimiser step, and only on channels that pruning can remove.
    #[default]
    Default,
    /// The recipe of the hand-patched trainers: 1e-2 on gamma, falling to a tenth, and 1e-2 on beta; before
    /// clipping, once per batch, on every channel.
    #[serde(alias = "seed")]
    Original,
}

/// L1 on batch norm. Keys that are missing in a configuration get the values of its preset.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "L1Keys")]
pub struct L1Config {
    /// The preset that gave the missing keys their values.
    pub preset: L1Preset,
    /// Strength on gammas: a number; `{ loss = FRACTION }` for the largest strength with a loss of at most
    /// this fraction above the loss without L1; or `{ travel = DISTANCE }` for the strength that can move a
    /// gamma by this distance.
    pub gamma: Strength,
    /// Strength on betas: a number, `{ of_gamma = FRACTION }` or `{ travel = DISTANCE }`.
    pub beta: Strength,
    /// How the strength on gammas changes over the epochs.
    pub gamma_decay: Decay,
    /// Upper limit for strengths that are chosen for a travel; not used if the loss decides the strength.
    pub limit: f64,
    /// How L1 is applied: added to gradients, as a threshold after the step, or added to gradients of coupled
    /// gammas as a group.
    pub method: L1Method,
    /// Whether L1 is added before gradient clipping, which shrinks it, or after.
    pub placement: L1Placement,
    /// Whether L1 is added once per optimiser step or once per batch.
    pub per: Per,
    /// Whether L1 leaves alone the channels that pruning cannot remove.
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
    type Error = bonsai_sparsity::L1PlanError;

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
    /// The values of a preset.
    pub const fn from_preset(preset: L1Preset) -> Self {
        let (plan, placement, per, exclude_unprunable) = match preset {
            L1Preset::Default => (L1Plan::DEFAULT, L1Placement::AfterClip, Per::Step, true),
            L1Preset::Original => (L1Plan::ORIGINAL, L1Placement::BeforeClip, Per::Batch, false),
        };
        let method = L1Method::Subgradient;
        let L1Plan { gamma, beta, gamma_decay, limit } = plan;
        Self { preset, gamma, beta, gamma_decay, limit, method, placement, per, exclude_unprunable }
    }

    /// The configured strengths.
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
