//! What became of an engine: built, or not run, because.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::{
    Backend, BackendChoice, BuildError, BuildOptions, EngineKind, Environment, FindOptions, Measurement,
    NotFound, OptionsError, Precision, Program, Version, build, build_with_library, find_tool,
};

/// A finished engine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BuildReport {
    /// What built it.
    pub backend: Backend,
    /// The plan.
    pub engine: PathBuf,
    /// Everything the builder said.
    pub log: PathBuf,
    /// Size of the plan.
    pub engine_bytes: u64,
    /// Arithmetic of the engine.
    pub precision: Precision,
    /// Version of the builder, the only one that can load it.
    pub version: Version,
    /// The words the tool was started with; files it writes are named by their final place. Empty for a library.
    pub argv: Vec<String>,
    /// Seconds from start to end of the builder.
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

/// Where the builders are, for what the environment does not say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Places {
    /// `trtexec` itself.
    pub trtexec: Option<PathBuf>,
    /// `tensorrt_rtx` itself.
    pub tensorrt_rtx: Option<PathBuf>,
    /// The folder with TensorRT-RTX's libraries.
    pub rtx_folder: Option<PathBuf>,
    /// The caller's environment.
    pub environment: Environment,
    /// Folders to try last, in place of those in which NVIDIA's packages put things.
    pub usual_folders: Option<Vec<PathBuf>>,
}

impl Places {
    /// Where to look for a tool.
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
/// No builder, no GPU, or one that cannot give the precision from this file are outcomes, not errors.
/// An engine of TensorRT-RTX is named as [`engine_path`] says.
///
/// # Errors
///
/// [`BuildError`] where the build was tried and failed, or the file or options are wrong on any machine.
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

/// Why a builder gave no engine.
pub(crate) enum Refusal {
    /// It is not installed; another may be.
    Absent(String),
    /// It is the one that was meant, and does not work here.
    NotHere(String),
    /// It failed.
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

/// The name that an engine gets: for TensorRT-RTX always `*.rtx.engine`, because no other runtime can load it.
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
    fn engines_of_rtx_are_told_by_their_name() {
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
