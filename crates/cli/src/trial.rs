//! The program started by itself, to try an ONNX file of unknown origin in a process that may end badly.

use std::process::ExitCode;

use bonsai_pipeline::{Trial, serve_trial};

use crate::output::say;

/// The word that makes it do so; no command and no file is called like that.
const WORD: &str = "__try-onnx";

/// Files are tried by the running program.
pub(crate) fn by_this_program() -> Option<Trial> {
    let program = std::env::current_exe().ok()?;
    Some(Trial { program, words: vec![WORD.into()] })
}

/// Tries a file, if the program was started for that.
pub(crate) fn serve() -> Option<ExitCode> {
    let mut words = std::env::args_os().skip(1);
    if words.next()? != WORD {
        return None;
    }
    let (code, message) = serve_trial(&words.collect::<Vec<_>>());
    say!("{message}");
    Some(ExitCode::from(code))
}
