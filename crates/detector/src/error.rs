//! [`DetectorError`]: why a file cannot be loaded as a detector, or a picture cannot be processed.

use std::path::PathBuf;

use bonsai_checkpoint::CheckpointError;
use bonsai_data::Undecodable;
use bonsai_exec::ExecError;
use bonsai_onnx::OnnxError;
use bonsai_yolov8::HeadError;

use crate::Runtime;

/// The cause of an error, with the file or the value.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DetectorError {
    /// The file cannot be read.
    #[error("cannot read `{}`", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: std::io::Error,
    },
    /// The file's kind is known but not supported.
    #[error("`{}` is {what}, which is not supported yet; {remedy}", path.display())]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// The kind of the file.
        what: &'static str,
        /// The alternative to use.
        remedy: &'static str,
    },
    /// The file's kind is unknown.
    #[error(
        "`{}` is neither a Bonsai checkpoint nor a CPU engine, an Ultralytics `.pt` or an ONNX file: it {found}; \
         pass a `.safetensors` file that `cargo xtask train` wrote, or what `cargo xtask export` or `engine` made of it",
        path.display()
    )]
    Unknown {
        /// The file.
        path: PathBuf,
        /// How the file begins, in words.
        found: String,
    },
    /// The file's kind is known, but the file is not a usable detector.
    #[error("cannot make a detector of `{}`", path.display())]
    Load {
        /// The file.
        path: PathBuf,
        /// Why the file is not usable.
        #[source]
        source: Box<DetectorError>,
    },
    /// The checkpoint is damaged, or an engine cannot be written.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The network does not read RGB pictures.
    #[error("layer `{node}` takes {found} channels; a detector of RGB pictures needs 3")]
    Channels {
        /// The input layer.
        node: String,
        /// Number of its channels.
        found: usize,
    },
    /// A metadata entry of the file is invalid.
    #[error("the file's metadata has `{key}` = `{value}`; it must be {expected}")]
    Metadata {
        /// Name of the entry.
        key: &'static str,
        /// Value of the entry.
        value: String,
        /// The valid values.
        expected: String,
    },
    /// A setting of the detection is out of range.
    #[error("`{field}` is {value}; it must be {expected}")]
    Config {
        /// The field of [`DetectOptions`](crate::DetectOptions).
        field: &'static str,
        /// Value of the field.
        value: String,
        /// The valid values.
        expected: String,
    },
    /// The network's input has the wrong dimensions.
    #[error(
        "images have shape {found:?}, expected [n, 3, h, w], none of them 0, h and w multiples of {stride}"
    )]
    InputShape {
        /// The shape found.
        found: Vec<usize>,
        /// Height and width must be multiples of this number of pixels.
        stride: usize,
    },
    /// The bytes are not a picture that can be decoded.
    #[error("cannot decode the picture")]
    Picture(#[from] Undecodable),
    /// A picture has no pixels.
    #[error("picture {index} is {width} x {height} pixels; it must have at least one pixel")]
    EmptyImage {
        /// Index in the batch.
        index: usize,
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
    },
    /// The network computed a value that is not finite.
    #[error("output `{node}` holds values that are not finite: the weights or the images are damaged")]
    NotFinite {
        /// The output layer.
        node: String,
    },
    /// The options are for another kind of file.
    #[error("{given} was requested, but this file is {kind}: use {wanted} instead")]
    Choice {
        /// The requested runtime or executor.
        given: String,
        /// The command-line option for this kind of file.
        wanted: &'static str,
        /// The kind of the file.
        kind: &'static str,
    },
    /// The file is not an ONNX model.
    #[error("cannot read it as an ONNX model")]
    Onnx(#[source] Box<OnnxError>),
    /// An input or output of an ONNX file is not that of a detector, or differs from the file's description.
    #[error("`{tensor}` is {found}; expected {expected}")]
    Tensor {
        /// Name of the input or output.
        tensor: String,
        /// Description of the input or output found.
        found: String,
        /// Description of the input or output expected.
        expected: String,
    },
    /// The runtime rejects the file or fails while running it.
    #[error("{runtime} cannot run it")]
    Run {
        /// The runtime.
        runtime: Runtime,
        /// Error of the runtime.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The trial run of the file in a separate process failed, so this process does not run the file.
    #[error("{runtime} cannot run it; the trial run in a separate process failed: {what}")]
    Trial {
        /// The runtime.
        runtime: Runtime,
        /// How the trial run ended.
        what: String,
    },
    /// The runtime is not available.
    #[error("{runtime}: not run, because {because}")]
    NotRun {
        /// The runtime.
        runtime: Runtime,
        /// The reason, and what to do.
        because: String,
    },
    /// The file is an ONNX file, and the program has no runtime for such files.
    #[error(
        "it is an ONNX file, and this program was built without a runtime for ONNX files: build bonsai-detector with \
         its feature `rten` (pure Rust, on by default) or `ort` (onnxruntime), or load a checkpoint"
    )]
    NoRuntime,
    /// The file returns detections, not boxes and scores of anchors.
    #[error("the file contains non-maximum suppression, so it returns detections and no boxes of anchors")]
    Suppressed,
    /// Suppression across classes was requested, and the file contains its own suppression.
    #[error(
        "the file contains non-maximum suppression within each class, so it cannot suppress across classes: use a file \
         without suppression, or leave out `agnostic`"
    )]
    OwnSuppression,
    /// An ONNX file does not return raw outputs.
    #[error("an ONNX file returns decoded outputs, not raw ones; use a checkpoint to compute losses")]
    NoHead,
    /// The executor failed.
    #[error("cannot run the network")]
    Exec(#[source] Box<ExecError>),
    /// The outputs cannot be decoded.
    #[error("cannot decode the network's outputs")]
    Head(#[from] HeadError),
}

impl From<ExecError> for DetectorError {
    fn from(error: ExecError) -> Self {
        Self::Exec(Box::new(error))
    }
}
