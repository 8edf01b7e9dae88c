//! Why a network cannot be exported, or a file not be read as ONNX.

use std::path::PathBuf;

use bonsai_checkpoint::CheckpointError;
use bonsai_graph::GraphError;
use half::f16;

use crate::TooLarge;

/// Tensors that an error lists by name.
const LISTED: usize = 5;

/// What stands in the way, with the tensor, the field or the file and the numbers that disagree.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OnnxError {
    /// The network does not take images of this size, or its parts do not fit together.
    #[error("the network cannot be exported")]
    Graph(#[from] GraphError),
    /// The weights are not those of the network, or the file cannot be written.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The operator set is not one that the exporter writes.
    #[error("opset {got} cannot be written: choose one of {min} to {max}")]
    Opset {
        /// What was asked for.
        got: u32,
        /// The oldest that is written.
        min: u32,
        /// The newest that is written.
        max: u32,
    },
    /// Input and output cannot be told apart by name, or one has none.
    #[error("input `{input}` and output `{output}` need two different names, neither of them empty")]
    Names {
        /// Name asked for the input.
        input: String,
        /// Name asked for the output.
        output: String,
    },
    /// No images at a time.
    #[error("a batch of 0 images was asked for; choose 1 or more")]
    Batch,
    /// Two things were asked for that exclude each other.
    #[error("{left} and {right} exclude each other: {instead}")]
    Combination {
        /// One of them.
        left: &'static str,
        /// The other.
        right: &'static str,
        /// What to do.
        instead: &'static str,
    },
    /// A setting of the suppression makes no sense.
    #[error("nms {field} is {got}; {expected} was expected")]
    Nms {
        /// Which setting.
        field: &'static str,
        /// What was asked for.
        got: String,
        /// What is possible.
        expected: &'static str,
    },
    /// Weights that become infinite in 16 bits.
    #[error(
        "{count} weights are beyond the {max} that 16 bits hold: {list}; export without half, or train on with weight decay"
    )]
    Half {
        /// How many.
        count: usize,
        /// The largest number of 16 bits.
        max: f32,
        /// Where they are.
        tensors: Vec<TooLarge>,
        /// The first of them, in words.
        list: String,
    },
    /// A wire that is to be quantised has no range.
    #[error("no range is known of `{wire}`, which is to be quantised: calibrate all of `quantized_wires`")]
    NoRange {
        /// The layer that makes it.
        wire: String,
    },
    /// The range of a wire is none.
    #[error("the range of `{wire}` is {low} to {high}; two finite numbers in order were expected")]
    Range {
        /// The layer that makes it.
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
    /// A runtime is not given the file: it asks for too much, or something in it is not what it says.
    #[error("{place} {what}")]
    Unfit {
        /// The node, constant, input or output.
        place: String,
        /// What is wrong with it, and what is possible.
        what: String,
    },
    /// The bytes are no protobuf message of ONNX's schema, or are cut off.
    #[error("not a complete ONNX file ({bytes} bytes)")]
    Decode {
        /// How many bytes there were.
        bytes: usize,
        /// Where reading ended.
        #[source]
        source: prost::DecodeError,
    },
    /// The bytes can be read, but something that every ONNX model has is missing.
    #[error("not an ONNX model: it has no {what}")]
    Incomplete {
        /// What was looked for.
        what: &'static str,
    },
    /// A dimension of an input or output is negative.
    #[error("dimension {axis} of `{tensor}` is {got}; a size of 0 or more was expected")]
    Dimension {
        /// The input or output.
        tensor: String,
        /// Which dimension, from 0.
        axis: usize,
        /// What stands there.
        got: i64,
    },
    /// A metadata entry does not hold what its key promises.
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
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Any of the above, with the file.
    #[error("cannot use {} as an ONNX model", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: Box<OnnxError>,
    },
}

impl OnnxError {
    /// These weights cannot be written in 16 bits.
    pub(crate) fn half(tensors: Vec<TooLarge>) -> Self {
        let mut list: Vec<String> = tensors.iter().take(LISTED).map(TooLarge::to_string).collect();
        if tensors.len() > LISTED {
            list.push(format!("and {} more tensors", tensors.len() - LISTED));
        }
        let count = tensors.iter().map(|t| t.count).sum();
        Self::Half { count, max: f16::MAX.to_f32(), list: list.join(", "), tensors }
    }
}
