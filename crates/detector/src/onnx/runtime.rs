//! What runs an ONNX file: programs that read the format themselves and share no code with our executors.

use std::error::Error;
use std::fmt;
use std::str::FromStr;

use bonsai_checkpoint::Array;
use bonsai_exec::ExecutorOptions;

use super::{LibrarySearch, Trial};

/// A reader of ONNX files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Runtime {
    /// `rten`, pure Rust, always there; computes in `f32` whatever the file stores.
    #[default]
    Rten,
    /// Microsoft's onnxruntime, a library that is loaded when it is asked for (feature `ort`).
    Onnxruntime,
}

impl Runtime {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Rten, Self::Onnxruntime];

    /// `rten` or `onnxruntime`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rten => "rten",
            Self::Onnxruntime => "onnxruntime",
        }
    }
}

impl fmt::Display for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Runtime {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|runtime| runtime.name() == text)
            .ok_or_else(|| format!("`{text}` is no runtime of ONNX files: use `rten` or `onnxruntime`"))
    }
}

/// What runs a file. An executor runs networks of ours, a runtime runs ONNX files; asking for the other's is an error.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LoadOptions {
    /// For checkpoints and CPU engines; of these, ONNX files obey the number of threads.
    pub executor: ExecutorOptions,
    /// For ONNX files; `None` is [`Runtime::Rten`].
    pub runtime: Option<Runtime>,
    /// Where onnxruntime's library may be.
    pub library: LibrarySearch,
    /// In rten, for a file that suppresses by itself: the score from which it keeps boxes, in place of its own. So it can be
    /// compared on pictures in which its own leaves nothing.
    pub suppress_above: Option<f32>,
    /// What tries an ONNX file before this process runs it; nothing where `None`.
    pub trial: Option<Trial>,
}

impl<T: Into<ExecutorOptions>> From<T> for LoadOptions {
    fn from(executor: T) -> Self {
        Self { executor: executor.into(), ..Self::default() }
    }
}

/// What a runtime says where it fails.
pub(crate) type RuntimeError = Box<dyn Error + Send + Sync>;

/// An ONNX file that a runtime has opened.
pub(crate) trait Session: Send {
    /// Runs it on `images` of the dimensions `[n, c, h, w]`; the one output that was asked for when it was opened, as
    /// `f32`.
    fn run(&mut self, dims: [usize; 4], images: &[f32]) -> Result<Array, RuntimeError>;
}
