//! [`build_if_possible`] and [`EngineOutcome`]: an engine, or the reason why it was not built.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::refusal::Refusal;
use crate::{
    Backend, BackendChoice, BuildError, BuildOptions, BuildReport, EngineKind, NotFound, OptionsError,
    Places, Program, build, build_with_library, find_tool,
};

/// Result of a build on this machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "outcome")]
#[expect(clippy::large_enum_variant, reason = "one value per build: a box would save nothing")]
pub enum EngineOutcome {
    /// The engine was built.
    Built(BuildReport),
    /// This machine cannot build the engine, for a reason that is not the model's fault.
    NotRun {
        /// The reason, a sentence for a report.
        because: String,
    },
}

/// Finds the builder and builds the engine, if this machine can.
///
/// It is an outcome and no error if there is no builder or no GPU, or if the builder cannot give the
/// precision from this file. An engine of TensorRT-RTX gets the name of [`engine_path`].
///
/// # Errors
///
/// [`BuildError`] if the build was tried and failed, or if the file or the options are wrong on any machine.
pub fn build_if_possible(
    choice: BackendChoice,
    places: &Places,
    options: &BuildOptions,
    progress: &mut dyn FnMut(&str),
) -> Result<EngineOutcome, BuildError> {
    let mut reasons = Vec::new();
    for &backend in choice.candidates() {
        let found = match backend {
            Backend::Trtexec => with_tool(Program::Trtexec, places, options, progress),
            Backend::TensorrtRtx => with_tool(Program::TensorrtRtx, places, options, progress),
            Backend::Rtx => build_with_library(places, &named(options, EngineKind::TensorRtRtx), progress),
        };
        match found {
            Ok(report) => return Ok(EngineOutcome::Built(report)),
            Err(Refusal::Absent(because)) => reasons.push(because),
            Err(Refusal::NotHere(because)) => return Ok(EngineOutcome::NotRun { because }),
            Err(Refusal::Failed(
                error @ (BuildError::NoGpu { .. }
                | BuildError::Options(OptionsError::PrecisionIsInTheFile { .. })),
            )) => return Ok(EngineOutcome::NotRun { because: error.to_string() }),
            Err(Refusal::Failed(error)) => return Err(error),
        }
    }
    Ok(EngineOutcome::NotRun { because: reasons.join("; ") })
}

fn with_tool(
    program: Program,
    places: &Places,
    options: &BuildOptions,
    progress: &mut dyn FnMut(&str),
) -> Result<BuildReport, Refusal> {
    let tool = find_tool(&places.of(program)).map_err(|error| match error {
        NotFound::Nowhere { .. } => Refusal::Absent(error.to_string()),
        NotFound::Unusable { .. } => Refusal::NotHere(error.to_string()),
    })?;
    build(&tool, &named(options, program.engine_kind()), progress).map_err(Refusal::Failed)
}

fn named(options: &BuildOptions, kind: EngineKind) -> BuildOptions {
    BuildOptions { engine: engine_path(&options.engine, kind), ..options.clone() }
}

/// The path of an engine: for TensorRT-RTX always `*.rtx.engine`, because no other runtime can load it.
pub fn engine_path(path: impl AsRef<Path>, kind: EngineKind) -> PathBuf {
    let path = path.as_ref();
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if kind == EngineKind::TensorRt || name.ends_with(".rtx.engine") {
        return path.to_owned();
    }
    path.with_file_name(format!("{}.rtx.engine", name.strip_suffix(".engine").unwrap_or(&name)))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::engine_path;
    use crate::EngineKind;

    #[test]
    fn engines_of_rtx_have_a_suffix_of_their_own() {
        for (given, named) in [
            ("a/m.engine", "a/m.rtx.engine"),
            ("a/m.rtx.engine", "a/m.rtx.engine"),
            ("m", "m.rtx.engine"),
            ("m.v2.engine", "m.v2.rtx.engine"),
        ] {
            assert_eq!(engine_path(Path::new(given), EngineKind::TensorRtRtx), Path::new(named));
            assert_eq!(engine_path(Path::new(given), EngineKind::TensorRt), Path::new(given));
        }
    }
}
