//! [`Pin`]: why a set of channels must stay.

use bonsai_graph::{Graph, NodeId};

/// The reason why a set of channels cannot be removed.
///
/// Removing a set must equal zeroing its gammas and betas. A batch norm with zeroed gamma and beta outputs
/// zero. SiLU (0 · sigmoid(0) = 0), pooling (its padding is minus infinity, so each window's maximum is one
/// of its zeros), upsampling, addition of zeros, concat and slice then output zero too.
/// The output of a convolution is *not* zero, nor is the image. This is harmless as long as only batch norms
/// (through any of the layers above) read such a channel, because their channels are removed with the set. It
/// breaks the law when a convolution reads the channel, because its sum would lose a non-zero term.
/// A grouped convolution does not break the law, because its outputs are removed together with the group they
/// read; without a bias, it outputs zeros for zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pin {
    /// The set holds channels of the image.
    Input,
    /// The set holds channels of this network output.
    Output(NodeId),
    /// A convolution reads a channel that is not zero even if all gammas and betas of the set are.
    NotZeroed {
        /// The layer whose output is read.
        wire: NodeId,
        /// The convolution that reads it.
        reader: NodeId,
    },
    /// No batch norm belongs to the set, so it has no score.
    NoBatchNorm,
}

impl Pin {
    /// Describes the reason in words, with layer names.
    pub fn describe(&self, graph: &Graph) -> String {
        let name = |id: NodeId| graph.node(id).name();
        match self {
            Self::Input => "it belongs to the image".to_owned(),
            Self::Output(id) => format!("it belongs to the network's output `{}`", name(*id)),
            Self::NotZeroed { wire, reader } => {
                format!("`{}` reads `{}`, which no batch norm brings to zero", name(*reader), name(*wire))
            }
            Self::NoBatchNorm => "no batch norm belongs to it".to_owned(),
        }
    }
}
