//! Why a set of channels must stay.

use bonsai_graph::{Graph, NodeId};

/// The reason for which a set of channels cannot be removed.
///
/// Removing a set must equal zeroing its gammas and betas. Zeroed, a batch norm's output is zero, and so is
/// all that SiLU (0 · sigmoid(0) = 0), pooling (its padding is minus infinity, so each window's maximum is
/// one of its zeros), upsampling, addition of zeros, concat and slice make of it.
/// A convolution's own output is *not* zero, nor is the image. That does no harm as long as only batch norms
/// (through any of the layers above) read it; those channels vanish with the set. It breaks the law when a
/// convolution reads such a channel: its sum would lose a term that is not zero.
/// A convolution in groups is no such reader, because its outputs vanish with the group that they read; without a bias,
/// it makes zeros of zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pin {
    /// The set holds channels of the image.
    Input,
    /// The set holds channels of this network output.
    Output(NodeId),
    /// A convolution reads a channel that no gamma and beta of the set bring to zero.
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
    /// The reason in words, with the layers' names.
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
