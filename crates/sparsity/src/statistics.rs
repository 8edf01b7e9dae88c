//! What a training did to the gammas: per layer and overall.
//!
//! Most gammas near zero means that pruning can take their channels; all gammas of one size means that L1 told
//! nothing apart. Which ratio is then safe depends on coupling, which is the pruner's business.

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
    /// Its channels.
    pub gamma: GammaSummary,
}

/// Why there are no statistics.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StatisticsError {
    /// The network has no batch norm.
    #[error(
        "the network has no batch norm, so no gammas: was it folded? use the checkpoint from before export"
    )]
    NoBatchNorm,
    /// A gamma or beta is no finite number.
    #[error("`{name}` is {got} at channel {channel}: the training diverged; lower the learning rate or L1")]
    NotFinite {
        /// The parameter.
        name: String,
        /// Position in it.
        channel: usize,
        /// What stands there.
        got: f32,
    },
    /// The weights are not those of the network.
    #[error("the weights do not belong to the network")]
    Weights(#[from] CheckpointError),
}

impl GammaStatistics {
    /// Statistics of `weights`, which must be those of `graph`.
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
    let values = &weights.require(&name)?.data;
    match values.iter().enumerate().find(|(_, v)| !v.is_finite()) {
        Some((channel, got)) => Err(StatisticsError::NotFinite { name, channel, got: *got }),
        None => Ok(values),
    }
}
