//! What became of an engine: built, or not run, because.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::{BuildError, BuildOptions, FindOptions, Measurement, OptionsError, Precision, Version};
use crate::{build, find_trtexec};

/// A finished engine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BuildReport {
    /// The plan.
    pub engine: PathBuf,
    /// Everything `trtexec` printed.
    pub log: PathBuf,
    /// Size of the plan.
    pub engine_bytes: u64,
    /// Arithmetic asked for.
    pub precision: Precision,
    /// TensorRT that built it, the only version that can load it.
    pub version: Version,
    /// The words `trtexec` was started with; `--saveEngine` names the final place.
    pub argv: Vec<String>,
    /// Seconds from start to end of `trtexec`.
    pub wall_seconds: f64,
    /// Figures it printed.
    pub measurement: Measurement,
}

/// What became of an engine on this machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "outcome")]
#[expect(clippy::large_enum_variant, reason = "one value per build: a box would save nothing")]
pub enum EngineOutcome {
    /// It was built.
    Built(BuildReport),
    /// It could not be, on this machine, for a reason that is no fault of the model.
    NotRun {
        /// The reason, a sentence for a report.
        because: String,
    },
}

/// Finds `trtexec` and builds the engine, if this machine can.
///
/// No `trtexec`, no GPU, or a TensorRT that cannot give the precision from this file are outcomes, not
/// errors.
///
/// # Errors
///
/// [`BuildError`] where the build was tried and failed, or the options are wrong on any machine.
pub fn build_if_possible(
    find: &FindOptions,
    options: &BuildOptions,
    progress: &mut dyn FnMut(&str),
) -> Result<EngineOutcome, BuildError> {
    let trtexec = match find_trtexec(find) {
        Ok(trtexec) => trtexec,
        Err(not_found) => return Ok(EngineOutcome::NotRun { because: not_found.to_string() }),
    };
    match build(&trtexec, options, progress) {
        Ok(report) => Ok(EngineOutcome::Built(report)),
        Err(
            error @ (BuildError::NoGpu { .. }
            | BuildError::Options(OptionsError::PrecisionIsInTheFile { .. })),
        ) => Ok(EngineOutcome::NotRun { because: error.to_string() }),
        Err(error) => Err(error),
    }
}
