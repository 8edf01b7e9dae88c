//! The |gamma| of every batch norm.

use bonsai_checkpoint::Weights;
use bonsai_graph::{Graph, NodeId, ParamRole};

use crate::PruneError;
use crate::param::checked;

/// Magnitudes of each batch norm's gammas, in topological order.
///
/// # Errors
/// [`PruneError::NoBatchNorm`], [`PruneError::Checkpoint`], [`PruneError::NotFinite`].
pub(crate) fn gammas(graph: &Graph, weights: &Weights) -> Result<Vec<(NodeId, Vec<f64>)>, PruneError> {
    let mut found = Vec::new();
    for spec in graph.params().into_iter().filter(|s| s.role == ParamRole::BnGamma) {
        let data = &checked(weights, &spec)?.data;
        if let Some(channel) = data.iter().position(|v| !v.is_finite()) {
            return Err(PruneError::NotFinite { value: data[channel], param: spec.name, channel });
        }
        found.push((spec.node, data.iter().map(|v| f64::from(v.abs())).collect()));
    }
    if found.is_empty() { Err(PruneError::NoBatchNorm) } else { Ok(found) }
}
