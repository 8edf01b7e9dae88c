//! [`CheckpointError`]: reasons why a checkpoint cannot be read or written.

use std::path::PathBuf;

use bonsai_graph::GraphError;

use crate::PtError;

/// A rule that a checkpoint breaks, or a file that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// A tensor that the graph needs is missing.
    #[error("tensor `{name}` is missing: this file does not belong to this network")]
    Missing {
        /// Its name.
        name: String,
    },
    /// The file has a tensor that the graph does not have.
    #[error("tensor `{name}` belongs to no layer of this network")]
    Unexpected {
        /// Its name.
        name: String,
    },
    /// A tensor has other dimensions than the graph implies.
    #[error("tensor `{name}` has shape {got:?}, the network needs {expected:?}")]
    Shape {
        /// Its name.
        name: String,
        /// The shape that the graph implies.
        expected: Vec<usize>,
        /// The shape in the file.
        got: Vec<usize>,
    },
    /// The number of values differs from the product of the dimensions.
    #[error("{got} values do not fill an array of shape {shape:?}")]
    Length {
        /// The dimensions.
        shape: Vec<usize>,
        /// Number of values.
        got: usize,
    },
    /// A tensor is not stored as 32-bit floats.
    #[error("tensor `{name}` is stored as {got}, expected F32")]
    Dtype {
        /// Its name.
        name: String,
        /// The stored type.
        got: String,
    },
    /// The scales of a kernel in 8-bit codes do not fit.
    #[error(
        "tensor `{name}.scale` must have {expected} positive scales, one for each output channel: write the file again"
    )]
    Scales {
        /// Name of the kernel.
        name: String,
        /// Number of its output channels.
        expected: usize,
    },
    /// A layer has a name that is reserved for training state.
    #[error("layer `{layer}`: names that begin with `train.` are kept for training state: rename the layer")]
    Reserved {
        /// Its name.
        layer: String,
    },
    /// The file is not a Bonsai checkpoint.
    #[error("{what}; is this a Bonsai checkpoint?")]
    Foreign {
        /// The part that is missing.
        what: String,
    },
    /// The bytes are not a safetensors file, or are cut off.
    #[error("not a complete safetensors file")]
    Format(#[from] safetensors::SafeTensorError),
    /// The model in the header is not valid.
    #[error("the model description in the header is not valid")]
    Model(#[from] serde_json::Error),
    /// The graph is not valid.
    #[error("the network is not valid")]
    Graph(#[from] GraphError),
    /// The file was written by PyTorch, and no detector can be read from it.
    #[error(transparent)]
    Pt(Box<PtError>),
    /// Reading or writing failed.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// The attempted action.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
    /// Any of the above, with the file.
    #[error("cannot load {}", path.display())]
    Load {
        /// The file.
        path: PathBuf,
        /// The error in the file.
        #[source]
        source: Box<CheckpointError>,
    },
}

impl From<PtError> for CheckpointError {
    fn from(error: PtError) -> Self {
        Self::Pt(Box::new(error))
    }
}
