//! [`ScoreConfig`]: how the importance of a set of channels is computed.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::PruneError;

/// The quantity from which a channel's importance is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Importance {
    /// |gamma| of its batch norms (Liu et al., "Network Slimming", ICCV 2017).
    #[default]
    Gamma,
    /// Sum of |w| over all weights that compute or read the channel: kernel rows, columns of the kernels that
    /// read it, and gammas (Li et al., "Pruning Filters for Efficient `ConvNets`", ICLR 2017, over coupled
    /// channels as in DepGraph).
    L1,
    /// As [`Importance::L1`], with squares.
    L2,
    /// [`Importance::L2`] divided by the sum of itself and all larger scores in its group (Lee et al.,
    /// "Layer-adaptive Sparsity for the Magnitude-based Pruning", ICLR 2021). Ignores [`Normalisation`].
    Lamp,
    /// Sum of |w * dL/dw|: a first-order estimate of the change of the loss if the channel is removed
    /// (Molchanov et al., CVPR 2019). Needs gradients.
    Taylor,
    /// The importance whose pruned network has the lowest trial value, see
    /// [`prune_best`](crate::prune_best()). Scores alone cannot decide this.
    Best,
    /// A random number for each set: the baseline that any other importance must beat.
    Random {
        /// Seed of the random numbers.
        #[serde(default)]
        seed: u64,
    },
}

impl Importance {
    const NAMES: &'static str = "gamma, l1, l2, lamp, taylor, best, random";
}

impl FromStr for Importance {
    type Err = PruneError;

    fn from_str(text: &str) -> Result<Self, PruneError> {
        match text {
            "gamma" => Ok(Self::Gamma),
            "l1" => Ok(Self::L1),
            "l2" => Ok(Self::L2),
            "lamp" => Ok(Self::Lamp),
            "taylor" => Ok(Self::Taylor),
            "best" => Ok(Self::Best),
            "random" => Ok(Self::Random { seed: 0 }),
            _ => {
                Err(PruneError::UnknownName { what: "importance", got: text.to_owned(), known: Self::NAMES })
            }
        }
    }
}

impl fmt::Display for Importance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gamma => "gamma",
            Self::L1 => "l1",
            Self::L2 => "l2",
            Self::Lamp => "lamp",
            Self::Taylor => "taylor",
            Self::Best => "best",
            Self::Random { .. } => "random",
        })
    }
}

/// How the terms of several layers are combined into the score of their common set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reduction {
    /// The mean (default): a residual stream is then measured like a single channel.
    #[default]
    Mean,
    /// The maximum: a set stays if any layer needs it.
    Max,
    /// The sum: sets with many layers score higher.
    Sum,
    /// The term of the first layer in topological order.
    First,
}

impl FromStr for Reduction {
    type Err = PruneError;

    fn from_str(text: &str) -> Result<Self, PruneError> {
        match text {
            "mean" => Ok(Self::Mean),
            "max" => Ok(Self::Max),
            "sum" => Ok(Self::Sum),
            "first" => Ok(Self::First),
            _ => {
                let got = text.to_owned();
                let known = "mean, max, sum, first";
                Err(PruneError::UnknownName { what: "reduction", got, known })
            }
        }
    }
}

/// The divisor for the scores of a group, so that groups can be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Normalisation {
    /// The default for the importance: [`Normalisation::Mean`] for Taylor, L1 and L2, whose scale differs
    /// from layer to layer; otherwise [`Normalisation::None`].
    #[default]
    Auto,
    /// No division: gammas of all layers have the same scale.
    None,
    /// The mean of the group (Torch-Pruning's default).
    Mean,
    /// The maximum of the group.
    Max,
    /// The sum of the group.
    Sum,
}

impl Normalisation {
    /// Resolves [`Normalisation::Auto`] for scores of `importance`; never returns [`Normalisation::Auto`].
    #[must_use]
    pub const fn for_importance(self, importance: Importance) -> Self {
        match (self, importance) {
            (Self::Auto, Importance::Taylor | Importance::L1 | Importance::L2) => Self::Mean,
            (Self::Auto, _) => Self::None,
            (given, _) => given,
        }
    }
}

impl fmt::Display for Normalisation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::None => "none",
            Self::Mean => "mean",
            Self::Max => "max",
            Self::Sum => "sum",
        })
    }
}

impl FromStr for Normalisation {
    type Err = PruneError;

    fn from_str(text: &str) -> Result<Self, PruneError> {
        match text {
            "auto" => Ok(Self::Auto),
            "none" => Ok(Self::None),
            "mean" => Ok(Self::Mean),
            "max" => Ok(Self::Max),
            "sum" => Ok(Self::Sum),
            _ => {
                let got = text.to_owned();
                let known = "auto, none, mean, max, sum";
                Err(PruneError::UnknownName { what: "normalisation", got, known })
            }
        }
    }
}

/// The divisor for a set's score, so that sets of different cost can be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Per {
    /// No division.
    #[default]
    Set,
    /// The multiply-accumulates of the convolutions that compute the set's channels and of those that read
    /// them. Channels that need little work then stay even if they matter less.
    Mac,
}

impl FromStr for Per {
    type Err = PruneError;

    fn from_str(text: &str) -> Result<Self, PruneError> {
        match text {
            "set" => Ok(Self::Set),
            "mac" => Ok(Self::Mac),
            _ => {
                let got = text.to_owned();
                let known = "set, mac";
                Err(PruneError::UnknownName { what: "per", got, known })
            }
        }
    }
}

/// How the sets are scored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ScoreConfig {
    /// The quantity that is measured.
    pub importance: Importance,
    /// How the terms of a set's layers are combined.
    pub reduction: Reduction,
    /// How the scores of a group are normalised.
    pub normalisation: Normalisation,
    /// The final divisor for a set's score.
    pub per: Per,
}
