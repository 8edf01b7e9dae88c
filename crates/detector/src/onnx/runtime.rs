//! [`Runtime`]: the runtimes for ONNX files, which share no code with Bonsai's executors.

use std::error::Error;
use std::fmt;
use std::str::FromStr;

use bonsai_checkpoint::Array;
use bonsai_exec::ExecutorOptions;

use super::{LibrarySearch, Trial};

/// A runtime for ONNX files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Runtime {
    /// `rten`, pure Rust, always available; computes in `f32` for every storage type.
    #[default]
    Rten,
    /// Microsoft's onnxruntime, a library that is loaded on first use (feature `ort`).
    Onnxruntime,
}

impl Runtime {
    /// All runtimes.
    pub const ALL: [Self; 2] = [Self::Rten, Self::Onnxruntime];

    /// The name of the runtime: `rten` or `onnxruntime`.
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
            .ok_or_else(|| format!("unknown runtime `{text}`; expected `rten` or `onnxruntime`"))
    }
}

/// Options for loading a file. An executor runs Bonsai networks, a runtime runs ONNX files; options for the
/// other kind are an error.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LoadOptions {
    /// For checkpoints and CPU engines; ONNX files use only the number of threads and the memory budget.
    pub executor: ExecutorOptions,
    /// For ONNX files; `None` is [`Runtime::Rten`].
    pub runtime: Option<Runtime>,
    /// Where to look for onnxruntime's library.
    pub library: LibrarySearch,
    /// With rten, for a file with its own suppression: replaces the score threshold of the file. This allows
    /// comparisons on pictures where the file's own threshold leaves no detections.
    pub suppress_above: Option<f32>,
    /// The program for a trial run before this process runs an ONNX file; `None` for no trial run.
    pub trial: Option<Trial>,
}

impl<T: Into<ExecutorOptions>> From<T> for LoadOptions {
    fn from(executor: T) -> Self {
        Self { executor: executor.into(), ..Self::default() }
    }
}

/// An error of a runtime.
pub(crate) type RuntimeError = Box<dyn Error + Send + Sync>;

/// An ONNX file opened by a runtime.
pub(crate) trait Session: Send {
    /// Runs the file on `images` of the dimensions `[n, c, h, w]`; returns the one output selected on
    /// opening, as `f32`.
    fn run(&mut self, dims: [usize; 4], images: &[f32]) -> Result<Array, RuntimeError>;
}
