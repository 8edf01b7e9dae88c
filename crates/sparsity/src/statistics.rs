//! [`GammaStatistics`]: the distribution of a network's gammas after training, per layer and overall.
//!
//! If many gammas are near zero, pruning can remove their channels; if all gammas have the same size, L1 did
//! not separate the channels. The largest safe ratio also depends on coupling, which the pruner handles.

use bonsai_checkpoint::{CheckpointError, Weights};
use bonsai_graph::{Graph, ParamRole};
use serde::{Deserialize, Serialize};

use crate::GammaSummary;

/// Gammas and betas of all batch norms of a network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GammaStatistics {
    /// All channels together.
    pub overall: GammaSummary,
    /// One entry for each batch norm, in topological order.
    pub layers: Vec<LayerGammas>,
}

/// Gammas and betas of one batch norm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayerGammas {
    /// Name of the batch norm.
    pub layer: String,
    /// Summary of the batch norm's channels.
    pub gamma: GammaSummary,
}

/// Why statistics cannot be computed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StatisticsError {
    /// The network has no batch norm.
    #[error(
        "the network has no batch norm, so it has no gammas: was it folded? use the checkpoint from before export"
    )]
    NoBatchNorm,
    /// A gamma or beta is not finite.
    #[error("`{name}` is {got} at channel {channel}: the training diverged; lower the learning rate or L1")]
    NotFinite {
        /// Name of the parameter.
        name: String,
        /// Channel of the value.
        channel: usize,
        /// Value found.
        got: f32,
    },
    /// The weights do not belong to the network.
    #[error("the weights do not belong to the network")]
    Weights(#[from] CheckpointError),
}

impl GammaStatistics {
    /// Computes statistics of `weights`, which must belong to `graph`.
    ///
    /// # Errors
    /// [`StatisticsError`] if a parameter is missing or not finite, or if there is no batch norm.
    pub fn new(graph: &Graph, weights: &Weights) -> Result<Self, StatisticsError> {
        let mut gammas = Vec::new();
        let mut betas = Vec::new();
        let mut layers = Vec::new();
        for (_, node) in graph.iter().filter(|(_, n)| n.op().keyword() == "batch_norm") {
            let gamma = finite(weights, node.name(), ParamRole::BnGamma)?;
            let beta = finite(weights, node.name(), ParamRole::BnBeta)?;
            gammas.extend_from_slice(gamma);
            betas.extend_from_slice(beta);
            let summary = GammaSummary::new(gamma, beta);
            layers.extend(summary.map(|gamma| LayerGammas { layer: node.name().to_owned(), gamma }));
        }
        let overall = GammaSummary::new(&gammas, &betas).ok_or(StatisticsError::NoBatchNorm)?;
        Ok(Self { overall, layers })
    }
}

fn finite<'a>(weights: &'a Weights, layer: &str, role: ParamRole) -> Result<&'a [f32], StatisticsError> {
    let name = format!("{layer}.{}", role.suffix());
    let values = weights.require(&name)?.data();
    match values.iter().enumerate().find(|(_, v)| !v.is_finite()) {
        Some((channel, got)) => Err(StatisticsError::NotFinite { name, channel, got: *got }),
        None => Ok(values),
    }
}
