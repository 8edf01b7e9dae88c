//! [`report`] and [`ErrorExt`]: exit codes and error messages.
//!
//! A message for a failure has up to three parts: the error, its causes, and a hint what to do. The exit
//! codes are in the help.

use std::error::Error as StdError;
use std::fmt;
use std::path::PathBuf;

use anyhow::{Error, Result};
use bonsai_pipeline::is_misuse;
use serde_json::json;

use crate::events::event;
use crate::missing_file::{hint_for_missing, missing_file};
use crate::output::{eprint_line, labelled};
use crate::place::place;

/// The command succeeded.
pub(crate) const DONE: u8 = 0;
/// The command failed.
pub(crate) const FAILED: u8 = 1;
/// The command line or a configuration is wrong; clap uses the same code.
pub(crate) const MISUSED: u8 = 2;
/// The command succeeded, but a threshold on the command line was not met.
pub(crate) const MISSED: u8 = 3;

/// The end of every command's help.
pub(crate) const EXIT_CODES: &str = "Exit codes:
  0  done; 1  failed; 2  the command line or a configuration is wrong
  3  done, but a threshold on the command line was not met (--min-map50, --max-drop, --max-latency, ...)
  130, 143  stopped by Ctrl-C or SIGTERM";

/// An error with the program's exit code and a hint; its text is that of the inner error.
#[derive(Debug)]
struct Failure {
    error: Error,
    code: u8,
    hint: Option<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl StdError for Failure {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.error.source()
    }
}

/// Adds an exit code or a hint to an error.
pub(crate) trait ErrorExt<T> {
    /// Marks the error as caused by the command line or a configuration.
    fn misuse(self) -> Result<T>;
    /// Adds a hint that tells the user what to do.
    fn hint(self, hint: impl FnOnce() -> String) -> Result<T>;
}

impl<T, E: Into<Error>> ErrorExt<T> for Result<T, E> {
    fn misuse(self) -> Result<T> {
        self.map_err(|error| Failure { code: MISUSED, ..Failure::from_error(error.into()) }.into())
    }

    fn hint(self, hint: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|error| Failure { hint: Some(hint()), ..Failure::from_error(error.into()) }.into())
    }
}

/// Like `anyhow::ensure!`, for an error in the command line.
macro_rules! ensure_usage {
    ($condition:expr, $($text:tt)+) => {
        if !$condition {
            return $crate::failure::misused(format!($($text)+));
        }
    };
}
pub(crate) use ensure_usage;

/// Returns the error for a wrong command line.
pub(crate) fn misused<T>(text: String) -> Result<T> {
    Err(Failure { error: Error::msg(text), code: MISUSED, hint: None }.into())
}

impl Failure {
    /// Keeps the code and the hint if `error` already contains a failure.
    fn from_error(error: Error) -> Self {
        let within = error.downcast_ref::<Self>();
        let unmarked = if is_misuse(&error) { MISUSED } else { FAILED };
        let (code, hint) = within.map_or((unmarked, None), |f| (f.code.max(unmarked), f.hint.clone()));
        Self { error, code, hint }
    }
}

/// Prints the error and returns the exit code. `files` are the files on the command line; if one that the error
/// names could not be found, the command line is wrong, and the hint says what to do.
pub(crate) fn report(error: Error, files: &[PathBuf]) -> u8 {
    let mut failure = Failure::from_error(error);
    let mut parts = parts(&failure.error);
    if let Some((rank, world)) = place() {
        parts[0].insert_str(0, &format!("rank {rank} of {world}: "));
    }
    let missing = missing_file(&parts.join(" "), files);
    if missing.is_some() && is_not_found(&failure.error) {
        failure.code = MISUSED;
    }
    for (index, part) in parts.iter().enumerate() {
        // Further lines of a text are indented, so that a caret stays below the character that it marks.
        if index == 0 {
            labelled("error:", "1;31", &part.replace('\n', "\n       "));
        } else {
            eprint_line!("  cause: {}", part.replace('\n', "\n         "));
        }
    }
    let hint = failure.hint.or_else(|| missing.and_then(hint_for_missing));
    if let Some(hint) = &hint {
        labelled("hint:", "1;36", hint);
    }
    event("error", json!({ "error": parts[0], "causes": parts[1..], "hint": hint, "code": failure.code }));
    failure.code
}

/// Whether a file or folder could not be found.
fn is_not_found(error: &Error) -> bool {
    let mut causes = error.chain().filter_map(|cause| cause.downcast_ref::<std::io::Error>());
    causes.any(|cause| cause.kind() == std::io::ErrorKind::NotFound)
}

/// The texts of the error and its causes, without causes that an earlier text contains.
fn parts(error: &Error) -> Vec<String> {
    let mut parts: Vec<String> = Vec::new();
    for text in error.chain().map(|cause| cause.to_string().trim_end().to_owned()) {
        if !parts.iter().any(|before| before.contains(&text)) {
            parts.push(text);
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::{Context as _, anyhow};

    #[test]
    fn an_error_keeps_its_code_and_hint_under_further_context() {
        let inner: Result<()> = Err(anyhow!("no such key").context("in a.toml"));
        let error = inner.misuse().hint(|| "look".to_owned()).context("reading settings").unwrap_err();
        let failure = Failure::from_error(error);
        assert_eq!((failure.code, failure.hint.as_deref()), (MISUSED, Some("look")));
        assert_eq!(parts(&failure.error), ["reading settings", "in a.toml", "no such key"]);
        assert_eq!(Failure::from_error(anyhow!("x")).code, FAILED);
    }

    #[test]
    fn a_cause_is_not_repeated() {
        let error = anyhow!("not found").context("cannot read a: not found");
        assert_eq!(parts(&error), ["cannot read a: not found"]);
    }
}
