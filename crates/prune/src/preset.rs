//! Ways of choosing that others have made known, beside this crate's own.

use std::str::FromStr;

use bonsai_checkpoint::Weights;
use serde::{Deserialize, Serialize};

use crate::seed::select_seed;
use crate::slim::select_slim;
use crate::{ChannelScores, Coupling, PruneError, PrunePlan, PrunePolicy, select};

/// Which channels are looked at, and what they are compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Preset {
    /// All coupled sets, by any importance, within every guard ([`select`]).
    #[default]
    Group,
    /// Network Slimming for YOLOv8 as the masked scripts practise it: batch norms outside residual streams, one by one,
    /// by |gamma|. Guards and rounding do not apply.
    Slim,
    /// The seed's script: 29 layers of a YOLOv8s, by |gamma| against a threshold over all batch norms, at least 8 channels
    /// each. Guards and rounding do not apply.
    Seed,
}

impl FromStr for Preset {
    type Err = PruneError;

    fn from_str(text: &str) -> Result<Self, PruneError> {
        match text {
            "group" => Ok(Self::Group),
            "slim" => Ok(Self::Slim),
            "seed" => Ok(Self::Seed),
            _ => {
                let (got, known) = (text.to_owned(), "group, slim, seed");
                Err(PruneError::UnknownName { what: "preset", got, known })
            }
        }
    }
}

/// Chooses the channels to keep as the policy's preset does; only [`Preset::Group`] reads `scores`, the others gammas.
///
/// # Errors
/// As [`select`]; [`PruneError::Checkpoint`] and [`PruneError::NotFinite`] for gammas that cannot be read;
/// [`PruneError::PresetLayer`] if the network is not of the kind that the preset is made for.
pub fn choose(
    coupling: &Coupling,
    weights: &Weights,
    scores: &ChannelScores,
    policy: &PrunePolicy,
) -> Result<PrunePlan, PruneError> {
    policy.check()?;
    match policy.preset {
        Preset::Group => select(coupling, scores, policy),
        Preset::Slim => select_slim(coupling, weights, policy.prune_ratio),
        Preset::Seed => select_seed(coupling, weights, 1.0 - policy.prune_ratio),
    }
}
