//! [`Gammas`]: the batch-norm scales of a network, by layer.

use bonsai_checkpoint::Weights;
use bonsai_graph::{Graph, ParamRole};

use crate::param::checked;
use crate::{Member, PruneError};

/// |gamma| of every batch-norm channel; borrowed from the weights and checked to be finite.
pub(crate) struct Gammas<'a> {
    of_node: Vec<Option<&'a [f32]>>,
}

impl<'a> Gammas<'a> {
    /// # Errors
    /// [`PruneError::Checkpoint`] if a gamma is missing or has a wrong shape; [`PruneError::NotFinite`].
    pub(crate) fn new(graph: &Graph, weights: &'a Weights) -> Result<Self, PruneError> {
        let mut of_node = vec![None; graph.nodes().len()];
        for spec in graph.params().into_iter().filter(|s| s.role == ParamRole::BnGamma) {
            let data = checked(weights, &spec)?.data();
            if let Some(channel) = data.iter().position(|v| !v.is_finite()) {
                return Err(PruneError::NotFinite { param: spec.name, channel, value: data[channel] });
            }
            of_node[spec.node.index()] = Some(data);
        }
        Ok(Self { of_node })
    }

    /// |gamma| of one channel; 0 if the layer is not a batch norm.
    pub(crate) fn get(&self, member: Member) -> f32 {
        self.of_node[member.node.index()].map_or(0.0, |data| data[member.channel].abs())
    }

    /// |gamma| of all channels of all batch norms.
    pub(crate) fn all(&self) -> Vec<f32> {
        self.of_node.iter().flatten().flat_map(|data| data.iter().map(|g| g.abs())).collect()
    }
}
