//! [`serve`] and [`by_this_program`]: the program starts itself to test an ONNX file of unknown origin in a
//! process that may crash.

use std::process::ExitCode;

use bonsai_pipeline::{Trial, serve_trial};

use crate::output::say;

/// The argument that starts a trial; no command has this name.
const WORD: &str = "__try-onnx";

/// A trial that runs this program; `None` if its file cannot be found.
pub(crate) fn by_this_program() -> Option<Trial> {
    let program = std::env::current_exe().ok()?;
    Some(Trial { program, words: vec![WORD.into()] })
}

/// Runs a trial, if the process was started for one; returns its exit code.
pub(crate) fn serve() -> Option<ExitCode> {
    let mut words = std::env::args_os().skip(1);
    if words.next()? != WORD {
        return None;
    }
    let (code, message) = serve_trial(&words.collect::<Vec<_>>());
    say!("{message}");
    Some(ExitCode::from(code))
}
