//! [`BuildError`]: reasons why there is no engine.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use crate::{EnginePlanError, OptionsError, PreflightError};

/// Reasons why there is no engine. No variant leaves a new file under the engine's name.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The options are not valid for this builder.
    #[error(transparent)]
    Options(#[from] OptionsError),
    /// The ONNX file has a flaw, or does not fit the options.
    #[error(transparent)]
    Preflight(#[from] PreflightError),
    /// A file could not be handled.
    #[error("cannot {action} {path:?}")]
    File {
        /// The attempted action.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// The program could not be run to its end.
    #[error("cannot run {program:?}")]
    Run {
        /// The program.
        program: PathBuf,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// The builder exceeded the time limit and was stopped.
    #[error(
        "{builder} was stopped after {} s, the time limit; its last line was {last:?} (log: {log:?})",
        limit.as_secs_f64()
    )]
    TimedOut {
        /// The builder.
        builder: String,
        /// The limit.
        limit: Duration,
        /// Its last line.
        last: String,
        /// Everything it printed.
        log: PathBuf,
    },
    /// The builder finds no GPU on this machine that it can use.
    #[error("{builder} finds no usable GPU: {complaint:?} (log: {log:?})")]
    NoGpu {
        /// The builder.
        builder: String,
        /// Its error line.
        complaint: String,
        /// Everything it printed.
        log: PathBuf,
    },
    /// The builder ended with an error.
    #[error("{builder} failed ({status}): {complaint:?} (log: {log:?})")]
    Failed {
        /// The builder.
        builder: String,
        /// Its exit status.
        status: ExitStatus,
        /// The first error it printed, else its last line.
        complaint: String,
        /// Everything it printed.
        log: PathBuf,
    },
    /// The builder exited with 0, but never printed that it passed.
    #[error(
        "{builder} exited with 0 but never printed `&&&& PASSED`; its last line was {last:?} (log: {log:?})"
    )]
    NotPassed {
        /// The builder.
        builder: String,
        /// Its last line.
        last: String,
        /// Everything it printed.
        log: PathBuf,
    },
    /// The builder printed that it passed, but the file is not a plan.
    #[error("{builder} printed PASSED but wrote no plan: {why} (log: {log:?})")]
    Plan {
        /// The builder.
        builder: String,
        /// Everything it printed.
        log: PathBuf,
        /// What is wrong with the file.
        why: EnginePlanError,
    },
    /// The library in this process did not build an engine.
    #[error("TensorRT-RTX's library failed: {complaint} (log: {log:?})")]
    Library {
        /// The first error it reported.
        complaint: String,
        /// Everything it reported.
        log: PathBuf,
    },
}
