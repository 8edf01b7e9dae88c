//! How much a set of channels matters: the size of its batch-norm scales.

use bonsai_checkpoint::Weights;
use bonsai_graph::ParamRole;
use serde::{Deserialize, Serialize};

use crate::param::checked;
use crate::{Coupling, PruneError};

/// How the |gamma| of several batch norms become the score of their common set.
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

impl Reduction {
    fn of(self, values: &[f64]) -> Option<f64> {
        let first = *values.first()?;
        let sum: f64 = values.iter().sum();
        Some(match self {
            Self::Mean => sum / values.len() as f64,
            Self::Max => values.iter().copied().fold(first, f64::max),
            Self::Sum => sum,
            Self::First => first,
        })
    }
}

/// The importance of every set of a [`Coupling`].
#[derive(Debug, Clone, PartialEq)]
pub struct ChannelScores {
    values: Vec<Option<f64>>,
}

impl ChannelScores {
    /// The score of a set; `None` if no batch norm belongs to it.
    pub fn get(&self, set: usize) -> Option<f64> {
        self.values.get(set).copied().flatten()
    }

    /// How many sets were scored or passed over.
    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }
}

/// Scores every set by the |gamma| of its batch norms.
///
/// Source: Liu et al., "Network Slimming", ICCV 2017; over coupled channels as in DepGraph, CVPR 2023.
///
/// # Errors
/// [`PruneError::Checkpoint`] if a gamma is missing or misshaped, [`PruneError::NotFinite`] if one is no
/// number.
pub fn score(
    coupling: &Coupling,
    weights: &Weights,
    reduction: Reduction,
) -> Result<ChannelScores, PruneError> {
    let graph = coupling.graph();
    // One look-up per layer, not per channel.
    let mut gammas: Vec<Option<&[f32]>> = vec![None; graph.nodes().len()];
    for spec in graph.params() {
        if spec.role != ParamRole::BnGamma {
            continue;
        }
        let array = checked(weights, &spec)?;
        if let Some(channel) = array.data.iter().position(|v| !v.is_finite()) {
            return Err(PruneError::NotFinite { param: spec.name, channel, value: array.data[channel] });
        }
        gammas[spec.node.index()] = Some(&array.data);
    }
    let of_set = |set: usize| {
        let gamma = |m: crate::Member| Some(f64::from(gammas[m.node.index()]?[m.channel].abs()));
        reduction.of(&coupling.gammas(set).filter_map(gamma).collect::<Vec<_>>())
    };
    Ok(ChannelScores { values: (0..coupling.sets().len()).map(of_set).collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reductions() {
        let values = [0.3, 0.1, 0.5];
        let reduced =
            [Reduction::Mean, Reduction::Max, Reduction::Sum, Reduction::First].map(|r| r.of(&values));
        let expected = [0.3, 0.5, 0.9, 0.3];
        assert!(reduced.iter().zip(expected).all(|(r, e)| (r.unwrap() - e).abs() < 1e-12), "{reduced:?}");
        assert_eq!(Reduction::Mean.of(&[]), None);
    }
}
