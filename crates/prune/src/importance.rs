//! What makes a set of channels matter, as configuration.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::PruneError;

/// From which numbers the importance of a channel is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Importance {
    /// |gamma| of its batch norms (Liu et al., "Network Slimming", ICCV 2017).
    #[default]
    Gamma,
    /// Sum of |w| over all that makes and reads it: rows of kernels, columns of the kernels that read it, gammas
    /// (Li et al., "Pruning Filters for Efficient `ConvNets`", ICLR 2017, over coupled channels as in DepGraph).
    L1,
    /// The same with squares.
    L2,
    /// [`Importance::L2`] as a share of the sum of itself and all that is larger in its group (Lee et al.,
    /// "Layer-adaptive Sparsity for the Magnitude-based Pruning", ICLR 2021). Has a normalisation of its own.
    Lamp,
    /// Sum of |w * dL/dw|: what the loss would change by without it, to first order (Molchanov et al., CVPR 2019).
    /// Needs gradients.
    Taylor,
    /// That of several whose pruned network does best on trial, see [`prune_best`](crate::prune_best()). Scores alone do not
    /// tell.
    Best,
    /// A number drawn for each set: what any other importance must beat.
    Random {
        /// Where the numbers start from.
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

/// How the numbers of several layers become the score of their common set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reduction {
    /// Their mean (default; a residual stream is then measured like a single channel).
    #[default]
    Mean,
    /// The largest: a set stays if any layer needs it.
    Max,
    /// Their sum: sets with many layers score higher.
    Sum,
    /// That of the first layer in topological order.
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

/// What the scores of a group are divided by, so that groups can be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Normalisation {
    /// What suits the importance: [`Normalisation::Mean`] for Taylor, L1 and L2, whose scale differs from layer to layer,
    /// otherwise [`Normalisation::None`].
    #[default]
    Auto,
    /// Nothing: gammas of all layers mean the same.
    None,
    /// Their mean (Torch-Pruning's default).
    Mean,
    /// The largest.
    Max,
    /// Their sum.
    Sum,
}

impl Normalisation {
    /// The normalisation that is meant for scores of `importance`: never [`Normalisation::Auto`].
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

/// What a score is divided by, so that sets that cost differently can be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Per {
    /// Nothing.
    #[default]
    Set,
    /// The multiply-accumulates of the set: of the convolutions that make its channels, and of those that read them.
    /// Then channels that do little work have to matter less to stay.
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

/// How sets are scored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ScoreConfig {
    /// What is measured.
    pub importance: Importance,
    /// Over the layers of a set.
    pub reduction: Reduction,
    /// Over the sets of a group.
    pub normalisation: Normalisation,
    /// What the score of a set is divided by at last.
    pub per: Per,
}
