//! From words of a command line and the environment to what runs a file.

use std::path::PathBuf;

use bonsai_detector::{LibrarySearch, LoadOptions, Runtime};
use bonsai_exec::ExecutorOptions;

/// What was asked for to run ONNX files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RuntimeChoice {
    /// Which runtime; `None` is rten for an ONNX file, and no wish for any other.
    pub runtime: Option<Runtime>,
    /// onnxruntime's library, or a folder with it.
    pub library: Option<PathBuf>,
}

impl RuntimeChoice {
    /// With an executor, for files of ours, and with what the environment says; read here so that no library reads it.
    pub fn with(&self, executor: ExecutorOptions) -> LoadOptions {
        let library = LibrarySearch {
            explicit: self.library.clone(),
            variable: std::env::var_os("ORT_DYLIB_PATH"),
            virtual_env: std::env::var_os("VIRTUAL_ENV"),
        };
        LoadOptions { executor, runtime: self.runtime, library }
    }
}
