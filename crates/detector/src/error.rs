//! Why a file is no detector, or a picture cannot be searched.

use std::path::PathBuf;

use bonsai_checkpoint::CheckpointError;
use bonsai_exec::ExecError;
use bonsai_yolov8::HeadError;

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
        "`{}` is neither a Bonsai checkpoint nor a CPU engine: it {found}; \
         pass a `.safetensors` file that `cargo xtask train` wrote or an engine that the pipeline wrote",
        path.display()
    )]
    Unknown {
        /// The file.
        path: PathBuf,
        /// What it begins with instead, in words.
        found: String,
    },
    /// The file is a checkpoint, but no detector can be made of it.
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
    /// A note in the checkpoint cannot be used.
    #[error("the checkpoint says `{key}` = `{value}`; it must be {expected}")]
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
