//! [`build_if_possible`] and [`EngineOutcome`]: an engine, or the reason why it was not built.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::{
    Backend, BackendChoice, BuildError, BuildOptions, EngineKind, Environment, FindOptions, Measurement,
    NotFound, OptionsError, Precision, Program, Version, build, build_with_library, find_tool,
};

/// A finished engine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BuildReport {
    /// The builder.
    pub backend: Backend,
    /// Path of the plan.
    pub engine: PathBuf,
    /// Path of the log with everything that the builder printed.
    pub log: PathBuf,
    /// Size of the plan in bytes.
    pub engine_bytes: u64,
    /// Arithmetic of the engine.
    pub precision: Precision,
    /// Version of the builder; only this version can load the engine.
    pub version: Version,
    /// The arguments of the tool, with output files at their final paths. Empty for a library.
    pub argv: Vec<String>,
    /// Seconds from start to end of the builder.
    pub wall_seconds: f64,
    /// Metrics that the builder printed.
    pub measurement: Measurement,
}

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

/// Paths of the builders, in addition to the environment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Places {
    /// Path of `trtexec`.
    pub trtexec: Option<PathBuf>,
    /// Path of `tensorrt_rtx`.
    pub tensorrt_rtx: Option<PathBuf>,
    /// The folder with TensorRT-RTX's libraries.
    pub rtx_folder: Option<PathBuf>,
    /// The caller's environment.
    pub environment: Environment,
    /// Folders to try last, in place of those that NVIDIA's packages use.
    pub usual_folders: Option<Vec<PathBuf>>,
}

impl Places {
    /// The options for finding a tool.
    pub fn of(&self, program: Program) -> FindOptions {
        let explicit = match program {
            Program::Trtexec => self.trtexec.clone(),
            Program::TensorrtRtx => self.tensorrt_rtx.clone(),
        };
        let usual = FindOptions::new(program);
        let usual_folders = self.usual_folders.clone().unwrap_or(usual.usual_folders);
        FindOptions { program, explicit, environment: self.environment.clone(), usual_folders }
    }
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

/// Reasons why a builder gave no engine.
pub(crate) enum Refusal {
    /// The builder is not installed; another one may be.
    Absent(String),
    /// The user named this builder, and it does not work here.
    NotHere(String),
    /// The build failed.
    Failed(BuildError),
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
pub fn engine_path(path: &Path, kind: EngineKind) -> PathBuf {
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
