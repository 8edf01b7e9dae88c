//! [`OnnxError`]: reasons why a network cannot be exported, or a file not be read as ONNX.

use std::path::PathBuf;

use bonsai_checkpoint::CheckpointError;
use bonsai_graph::GraphError;
use half::f16;

use crate::TooLarge;

/// Number of tensors that an error lists by name.
const LISTED: usize = 5;

/// Error of this crate, with the tensor, the field or the file and the numbers that disagree.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OnnxError {
    /// The network does not take images of this size, or its parts do not fit together.
    #[error("the network cannot be exported")]
    Graph(#[from] GraphError),
    /// The weights do not fit the network, or the file cannot be written.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The operator set is not one that the exporter writes.
    #[error("opset {got} cannot be written: choose one of {min} to {max}")]
    Opset {
        /// The requested operator set.
        got: u32,
        /// The oldest that is written.
        min: u32,
        /// The newest that is written.
        max: u32,
    },
    /// Input and output have the same name, or one name is empty.
    #[error("input `{input}` and output `{output}` need two different names, neither of them empty")]
    Names {
        /// Requested name of the input.
        input: String,
        /// Requested name of the output.
        output: String,
    },
    /// A batch of no images was requested.
    #[error("a batch of 0 images was asked for; choose 1 or more")]
    Batch,
    /// Two options were requested that exclude each other.
    #[error("{left} and {right} exclude each other: {instead}")]
    Combination {
        /// One option.
        left: &'static str,
        /// The other option.
        right: &'static str,
        /// What to do.
        instead: &'static str,
    },
    /// A setting of non-maximum suppression is out of range.
    #[error("nms {field} is {got}; {expected} was expected")]
    Nms {
        /// The setting.
        field: &'static str,
        /// The requested value.
        got: String,
        /// The allowed values.
        expected: &'static str,
    },
    /// Weights become infinite in 16 bits.
    #[error(
        "{count} weights are beyond the {max} that 16 bits hold: {list}; export without half, or train on with weight decay"
    )]
    Half {
        /// Number of weights.
        count: usize,
        /// The largest 16-bit float.
        max: f32,
        /// The tensors that contain them.
        tensors: Vec<TooLarge>,
        /// The first of them, as text.
        list: String,
    },
    /// A wire that is to be quantised has no range.
    #[error("`{wire}` is to be quantised, but has no range: calibrate all of `quantized_wires`")]
    NoRange {
        /// The layer that computes it.
        wire: String,
    },
    /// The range of a wire is not valid.
    #[error("the range of `{wire}` is {low} to {high}; two finite numbers in order were expected")]
    Range {
        /// The layer that computes it.
        wire: String,
        /// Its smallest value.
        low: f32,
        /// Its largest value.
        high: f32,
    },
    /// A weight is not a number, or infinite, after batch norm was folded.
    #[error(
        "weight {index} of `{tensor}` is {value}: the training diverged, or a running variance is negative; \
         export an earlier checkpoint"
    )]
    NotFinite {
        /// Name of the tensor.
        tensor: String,
        /// Position in it, row-major.
        index: usize,
        /// The value.
        value: f32,
    },
    /// The file would be larger than protobuf allows.
    #[error("the model takes {bytes} bytes, a single ONNX file holds at most {max}")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// A runtime must not get the file: it would take too much memory or time, or its parts contradict each
    /// other.
    #[error("{place} {what}")]
    Unfit {
        /// The node, constant, input or output.
        place: String,
        /// What is wrong with it, and what is possible.
        what: String,
    },
    /// The bytes are not a protobuf message of ONNX's schema, or are cut off.
    #[error("not a complete ONNX file ({bytes} bytes)")]
    Decode {
        /// Number of bytes.
        bytes: usize,
        /// The decoder's reason.
        #[source]
        source: prost::DecodeError,
    },
    /// The bytes can be read, but something that every ONNX model has is missing.
    #[error("not an ONNX model: it has no {what}")]
    Incomplete {
        /// The missing part.
        what: &'static str,
    },
    /// A dimension of an input or output is negative.
    #[error("dimension {axis} of `{tensor}` is {got}; a size of 0 or more was expected")]
    Dimension {
        /// The input or output.
        tensor: String,
        /// The dimension, counted from 0.
        axis: usize,
        /// Its value.
        got: i64,
    },
    /// A metadata entry does not have the content that its key requires.
    #[error("metadata `{key}` is {value:?}: {reason}")]
    Metadata {
        /// The key.
        key: &'static str,
        /// The value, shortened.
        value: String,
        /// What was expected, and where.
        reason: String,
    },
    /// The file cannot be opened or read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
    /// Any of the above, with the file.
    #[error("cannot use {} as an ONNX model", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The error in the file.
        #[source]
        source: Box<OnnxError>,
    },
}

impl OnnxError {
    /// The error for weights that 16 bits cannot hold.
    pub(crate) fn half(tensors: Vec<TooLarge>) -> Self {
        let mut list: Vec<String> = tensors.iter().take(LISTED).map(TooLarge::to_string).collect();
        if tensors.len() > LISTED {
            list.push(format!("and {} more tensors", tensors.len() - LISTED));
        }
        let count = tensors.iter().map(|t| t.count).sum();
        Self::Half { count, max: f16::MAX.to_f32(), list: list.join(", "), tensors }
    }
}
