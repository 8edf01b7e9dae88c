//! From words of a command line and the environment to what runs a file.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use bonsai_detector::{LibrarySearch, LoadOptions, Runtime, Trial, try_onnx};
use bonsai_exec::ExecutorOptions;

/// What was asked for to run ONNX files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RuntimeChoice {
    /// Which runtime; `None` is rten for an ONNX file, and no wish for any other.
    pub runtime: Option<Runtime>,
    /// onnxruntime's library, or a folder with it.
    pub library: Option<PathBuf>,
    /// What tries an ONNX file first; files of a run are its own, and need none.
    pub trial: Option<Trial>,
}

impl RuntimeChoice {
    /// With an executor, for files of ours, and with what the environment says; read here so that no library reads it.
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

/// What a process does that was started to try an ONNX file, with the words behind [`Trial::words`]; the code to end with, and
/// what to print.
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
            "this is no command of yours: the program starts itself so, to try an ONNX file".to_owned(),
        );
    };
    let library = (!library.is_empty()).then(|| PathBuf::from(library));
    let choice = RuntimeChoice { runtime: Some(runtime), library, trial: None };
    let options = choice.with(ExecutorOptions { threads, ..ExecutorOptions::default() });
    try_onnx(Path::new(file), &options, memory)
}
