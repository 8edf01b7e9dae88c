//! Why a file is no detector, or a picture cannot be searched.

use std::path::PathBuf;

use bonsai_checkpoint::CheckpointError;
use bonsai_exec::ExecError;
use bonsai_onnx::OnnxError;
use bonsai_yolov8::HeadError;

use crate::Runtime;

/// What went wrong, with the file or the value it went wrong at.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DetectorError {
    /// The file cannot be read at all.
    #[error("cannot read `{}`", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
    /// The file was recognised, but this program does not run its kind.
    #[error("`{}` is {what}, which is not supported yet; {remedy}", path.display())]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// What it is.
        what: &'static str,
        /// What to use instead.
        remedy: &'static str,
    },
    /// The file is nothing that is known.
    #[error(
        "`{}` is neither a Bonsai checkpoint nor a CPU engine, an Ultralytics `.pt` or an ONNX file: it {found}; \
         pass a `.safetensors` file that `cargo xtask train` wrote, or what `cargo xtask export` or `engine` made of it",
        path.display()
    )]
    Unknown {
        /// The file.
        path: PathBuf,
        /// What it begins with instead, in words.
        found: String,
    },
    /// The file's kind is known, but no detector can be made of it.
    #[error("cannot make a detector of `{}`", path.display())]
    Load {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
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
        /// Its channels.
        found: usize,
    },
    /// A note in the file cannot be used.
    #[error("the file says `{key}` = `{value}`; it must be {expected}")]
    Metadata {
        /// The note.
        key: &'static str,
        /// What it says.
        value: String,
        /// What it may say.
        expected: String,
    },
    /// A setting of the detection is out of range.
    #[error("`{field}` is {value}; it must be {expected}")]
    Config {
        /// The field of [`DetectConfig`](crate::DetectConfig).
        field: &'static str,
        /// What it holds.
        value: String,
        /// What it may hold.
        expected: String,
    },
    /// The network's input has the wrong dimensions.
    #[error(
        "images have shape {found:?}, expected [n, 3, h, w], none of them 0, h and w multiples of {stride}"
    )]
    InputShape {
        /// What was given.
        found: Vec<usize>,
        /// What height and width must be multiples of, in pixels.
        stride: usize,
    },
    /// A picture without pixels.
    #[error("picture {index} is {width} x {height} pixels: there is nothing to look at")]
    EmptyImage {
        /// Position in the batch.
        index: usize,
        /// Its width.
        width: u32,
        /// Its height.
        height: u32,
    },
    /// The network computed something that is no number.
    #[error("output `{node}` holds values that are not finite: the weights or the images are damaged")]
    NotFinite {
        /// The output layer.
        node: String,
    },
    /// The options say what runs another kind of file.
    #[error("{given} was asked for, but this is {kind}: what runs it, {wanted} says")]
    Choice {
        /// What was asked for.
        given: String,
        /// The option of the command line that is meant for this kind.
        wanted: &'static str,
        /// What the file is.
        kind: &'static str,
    },
    /// The file is no ONNX model.
    #[error("cannot read it as an ONNX model")]
    Onnx(#[source] Box<OnnxError>),
    /// An input or output of an ONNX file is not that of a detector, or not what the file promised.
    #[error("`{tensor}` is {found}; expected {expected}")]
    Tensor {
        /// The input or output.
        tensor: String,
        /// What it is.
        found: String,
        /// What it should be.
        expected: String,
    },
    /// The runtime refuses the file or fails while it runs.
    #[error("{runtime} cannot run it")]
    Run {
        /// Which.
        runtime: Runtime,
        /// Its own words.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The runtime failed on the file in a process that tried it, which kept this one from running it.
    #[error("{runtime} cannot run it: tried in a process of its own, it {what}")]
    Trial {
        /// Which.
        runtime: Runtime,
        /// How it ended.
        what: String,
    },
    /// The runtime is not there.
    #[error("{runtime}: not run, because {because}")]
    NotRun {
        /// Which.
        runtime: Runtime,
        /// Why, and what to do.
        because: String,
    },
    /// There are no boxes and scores of anchors to be had.
    #[error("the file suppresses overlapping boxes by itself, so it gives objects and no boxes of anchors")]
    Suppressed,
    /// There are no raw outputs to be had.
    #[error("an ONNX file decodes its outputs by itself, so losses can only be had of a checkpoint")]
    NoHead,
    /// The network could not be run.
    #[error("cannot run the network")]
    Exec(#[source] Box<ExecError>),
    /// The outputs could not be decoded.
    #[error("cannot decode the network's outputs")]
    Head(#[from] HeadError),
}

impl From<ExecError> for DetectorError {
    fn from(error: ExecError) -> Self {
        Self::Exec(Box::new(error))
    }
}
