//! [`RuntimeChoice`] and [`serve_trial`]: the runtime that runs an ONNX file, and the child process that
//! tests a file first.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use bonsai_detector::{LibrarySearch, LoadOptions, Runtime, Trial, try_onnx};
use bonsai_exec::ExecutorOptions;

/// How ONNX files are to be run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RuntimeChoice {
    /// The runtime; `None` selects rten for an ONNX file, and is the only choice that other files accept.
    pub runtime: Option<Runtime>,
    /// The library of onnxruntime, or the folder that contains it.
    pub library: Option<PathBuf>,
    /// The program that tests an ONNX file before this process loads it; a run trusts the files that it
    /// wrote, and needs none.
    pub trial: Option<Trial>,
}

impl RuntimeChoice {
    /// Options to load a file: `executor` runs Bonsai's own files, and the environment says where to search
    /// for onnxruntime. The environment is read here, so that no library reads it.
    pub fn with(&self, executor: ExecutorOptions) -> LoadOptions {
        let library = LibrarySearch {
            explicit: self.library.clone(),
            variable: std::env::var_os("ORT_DYLIB_PATH"),
            virtual_env: std::env::var_os("VIRTUAL_ENV"),
        };
        LoadOptions {
            executor,
            runtime: self.runtime,
            library,
            trial: self.trial.clone(),
            ..LoadOptions::default()
        }
    }
}

/// Runs the trial of an ONNX file, in the child process that was started for it. `words` are the arguments
/// after [`Trial::words`]. Returns the exit code and the text to print.
pub fn serve_trial(words: &[OsString]) -> (u8, String) {
    let text = |word: &OsString| word.to_string_lossy().into_owned();
    let parsed = match words {
        [runtime, threads, memory, library, file] => {
            let [runtime, threads, memory] = [runtime, threads, memory].map(text);
            Runtime::tried([&runtime, &threads, &memory]).map(|numbers| (numbers, library, file))
        }
        _ => None,
    };
    let Some(((runtime, threads, memory), library, file)) = parsed else {
        return (
            2,
            "this command is internal: the program starts it itself, to test an ONNX file".to_owned(),
        );
    };
    let library = (!library.is_empty()).then(|| PathBuf::from(library));
    let choice = RuntimeChoice { runtime: Some(runtime), library, trial: None };
    let options = choice.with(ExecutorOptions { threads, ..ExecutorOptions::default() });
    try_onnx(Path::new(file), &options, memory)
}
