//! Why a checkpoint cannot be read or written.

use std::path::PathBuf;

use bonsai_graph::GraphError;

use crate::PtError;

/// A rule that a checkpoint breaks, or a file that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// A tensor that the graph needs is not there.
    #[error("tensor `{name}` is missing: this file does not belong to this network")]
    Missing {
        /// Its name.
        name: String,
    },
    /// A tensor is there that the graph does not have.
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
        /// What the graph implies.
        expected: Vec<usize>,
        /// What the file holds.
        got: Vec<usize>,
    },
    /// A tensor is not stored as 32-bit floats.
    #[error("tensor `{name}` is stored as {got}, expected F32")]
    Dtype {
        /// Its name.
        name: String,
        /// The stored type.
        got: String,
    },
    /// A layer has a name that would be taken for training state.
    #[error("layer `{layer}`: names that begin with `train.` are kept for training state: rename the layer")]
    Reserved {
        /// Its name.
        layer: String,
    },
    /// The file is no checkpoint of Bonsai.
    #[error("{what}; is this a Bonsai checkpoint?")]
    Foreign {
        /// What was looked for and not found.
        what: String,
    },
    /// The bytes are no safetensors file, or are cut off.
    #[error("not a complete safetensors file")]
    Format(#[from] safetensors::SafeTensorError),
    /// The model in the header is not valid.
    #[error("the model description in the header is not valid")]
    Model(#[from] serde_json::Error),
    /// The graph is not valid.
    #[error("the network is not valid")]
    Graph(#[from] GraphError),
    /// The file is PyTorch's, and no detector can be read from it.
    #[error(transparent)]
    Pt(Box<PtError>),
    /// Reading or writing failed.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: std::io::Error,
    },
    /// Any of the above, with the file.
    #[error("cannot load {}", path.display())]
    Load {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: Box<CheckpointError>,
    },
}

impl From<PtError> for CheckpointError {
    fn from(error: PtError) -> Self {
        Self::Pt(Box::new(error))
    }
}
