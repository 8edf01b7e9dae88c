//! [`LoadOptions`]: what runs a file, with how many threads and within which memory.

use bonsai_exec::ExecutorOptions;

use super::{LibrarySearch, Trial};
use crate::Runtime;

/// Options for loading a file. An executor runs Bonsai networks, a runtime runs ONNX files; options for the
/// other kind are an error.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LoadOptions {
    /// For checkpoints and CPU engines; ONNX files use only the number of threads and the memory budget.
    pub executor: ExecutorOptions,
    /// For ONNX files; `None` is the default of [`Runtime`].
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
