//! [`EngineConfig`]: how TensorRT engines are built.

use std::ffi::OsString;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use bonsai_tensorrt::{
    BackendChoice, BuildOptions, ComputeCapability, EngineOutcome, EnginePrecision, Environment,
    HardwareCompatibility, Places, ProfilingExports, ShapeProfile, build_if_possible,
};
use serde::{Deserialize, Serialize};

use super::check_range;
use crate::Progress;

/// Allowed time limits of a builder in seconds, up to a year.
const SECONDS: RangeInclusive<u64> = 1..=31_536_000;

/// Settings for engines other than the CPU engine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[expect(clippy::struct_excessive_bools, reason = "independent switches of a builder")]
pub struct EngineConfig {
    /// `trtexec`, `tensorrt_rtx` (the same tool in TensorRT-RTX), `rtx` (TensorRT-RTX's library, which needs
    /// a program built with feature `rtx` but no GPU), or `auto` for the first of them that is installed.
    pub backend: BackendChoice,
    /// Path of `trtexec`; by default `TRTEXEC`, `PATH` and the usual folders are searched.
    #[serde(with = "crate::path_text::optional")]
    pub trtexec: Option<PathBuf>,
    /// Path of `tensorrt_rtx`; by default `TENSORRT_RTX`, `PATH` and the usual folders are searched.
    #[serde(with = "crate::path_text::optional")]
    pub tensorrt_rtx: Option<PathBuf>,
    /// Folder with TensorRT-RTX's libraries; by default `TENSORRT_RTX_DIR`, `LD_LIBRARY_PATH` and the usual
    /// folders are searched.
    #[serde(with = "crate::path_text::optional")]
    pub rtx_folder: Option<PathBuf>,
    /// Arithmetic. Default: fp16 if the builder casts (TensorRT up to 10), otherwise the arithmetic in the
    /// ONNX file.
    pub precision: Option<EnginePrecision>,
    /// Whether TensorRT 10 also takes the arithmetic from the ONNX file.
    pub strongly_typed: bool,
    /// Upper bound of the builder's scratch memory, in MiB.
    pub workspace_mib: Option<u32>,
    /// Sizes of inputs with a dynamic shape, each as `images:1x3x640x640,4x3x640x640,16x3x640x640`.
    pub profiles: Vec<ShapeProfile>,
    /// Effort of the search, 0 to 5.
    pub optimization_level: Option<u8>,
    /// File that keeps tactic timings between builds.
    #[serde(with = "crate::path_text::optional")]
    pub timing_cache: Option<PathBuf>,
    /// Whether later minor versions of TensorRT can also load the engine.
    pub version_compatible: bool,
    /// Other GPUs on which the engine also runs.
    pub hardware_compatibility: Option<HardwareCompatibility>,
    /// Compute capabilities of the GPUs for which TensorRT-RTX builds, such as `8.6`; empty for the library's
    /// default.
    pub compute_capabilities: Vec<ComputeCapability>,
    /// Whether to time the engine after building it, which needs a GPU.
    pub measure: bool,
    /// Whether to write times, layer times and layers next to the engine (`.times.json`, `.profile.json`,
    /// `.layers.json`).
    pub exports: bool,
    /// Additional arguments for the command-line tool.
    pub extra: Vec<String>,
    /// Time limit for the builder, in seconds; the builder is stopped after it.
    pub time_limit_seconds: u64,
}

impl Default for EngineConfig {
    fn default() -> Self {
        let options = BuildOptions::new("", "");
        Self {
            backend: BackendChoice::default(),
            trtexec: None,
            tensorrt_rtx: None,
            rtx_folder: None,
            precision: options.precision,
            strongly_typed: options.strongly_typed,
            workspace_mib: options.workspace_mib,
            profiles: options.profiles,
            optimization_level: options.optimization_level,
            timing_cache: options.timing_cache,
            version_compatible: options.version_compatible,
            hardware_compatibility: options.hardware_compatibility,
            compute_capabilities: options.compute_capabilities,
            measure: options.measure,
            exports: false,
            extra: options.extra,
            time_limit_seconds: options.time_limit.as_secs(),
        }
    }
}

impl EngineConfig {
    /// The settings that differ from the defaults, as a list in a message.
    ///
    /// # Errors
    /// If a path is not valid Unicode.
    pub fn changed(&self) -> Result<String> {
        let asked = serde_json::to_value(self)?;
        let standard = serde_json::to_value(Self::default())?;
        let settings = asked.as_object().into_iter().flatten();
        let changed = settings.filter(|(key, value)| standard.get(key) != Some(value));
        Ok(changed.map(|(key, _)| format!("`{key}`")).collect::<Vec<_>>().join(", "))
    }

    /// The places to search for builders. The environment is read here, so that no library reads it.
    pub fn places(&self) -> Places {
        Places {
            trtexec: self.trtexec.clone(),
            tensorrt_rtx: self.tensorrt_rtx.clone(),
            rtx_folder: self.rtx_folder.clone(),
            environment: Environment {
                trtexec: std::env::var_os("TRTEXEC"),
                tensorrt_rtx: std::env::var_os("TENSORRT_RTX"),
                rtx_folder: std::env::var_os("TENSORRT_RTX_DIR"),
                library_path: std::env::var_os("LD_LIBRARY_PATH"),
                path: std::env::var_os("PATH"),
            },
            usual_folders: None,
        }
    }

    /// Builds `engine` from `onnx`, or returns the reason why no builder can. TensorRT-RTX engines are named
    /// `*.rtx.engine`.
    ///
    /// # Errors
    /// If a builder exists, accepts the request and fails; or if the file or the settings are invalid on any
    /// machine.
    pub fn build(&self, onnx: &Path, engine: &Path, progress: &mut dyn Progress) -> Result<EngineOutcome> {
        let options = self.build_options(onnx, engine);
        let mut line = |text: &str| progress.note(text);
        Ok(build_if_possible(self.backend, &self.places(), &options, &mut line)?)
    }

    /// The builder's options for building `engine` from `onnx`.
    pub fn build_options(&self, onnx: &Path, engine: &Path) -> BuildOptions {
        let beside = |what: &str| {
            let mut name = OsString::from(engine);
            name.push(format!(".{what}.json"));
            self.exports.then(|| PathBuf::from(name))
        };
        BuildOptions {
            precision: self.precision,
            strongly_typed: self.strongly_typed,
            workspace_mib: self.workspace_mib,
            profiles: self.profiles.clone(),
            optimization_level: self.optimization_level,
            timing_cache: self.timing_cache.clone(),
            version_compatible: self.version_compatible,
            hardware_compatibility: self.hardware_compatibility,
            compute_capabilities: self.compute_capabilities.clone(),
            measure: self.measure,
            exports: ProfilingExports {
                times: beside("times"),
                profile: beside("profile"),
                layer_info: beside("layers"),
            },
            extra: self.extra.clone(),
            time_limit: Duration::from_secs(self.time_limit_seconds),
            ..BuildOptions::new(onnx, engine)
        }
    }
}

impl EngineConfig {
    /// Checks the ranges.
    ///
    /// # Errors
    /// Names the setting, its value and the range.
    pub fn check(&self) -> Result<()> {
        check_range("workspace_mib", &self.workspace_mib.unwrap_or(1), 1..=u32::MAX)?;
        check_range("optimization_level", &self.optimization_level.unwrap_or(0), 0..=5)?;
        check_range("time_limit_seconds", &self.time_limit_seconds, SECONDS)
    }
}
