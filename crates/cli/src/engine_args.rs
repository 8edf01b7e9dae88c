//! [`Engine`] and [`Inspect`]: the arguments of `engine` and `inspect`.

use std::path::PathBuf;

use bonsai_pipeline::{
    BackendChoice, ComputeCapability, EngineConfig, EnginePrecision, HardwareCompatibility, ShapeProfile,
};
use clap::Args;

use crate::settings_args::Convert;

/// Arguments of `engine`.
#[derive(Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub(crate) struct Engine {
    #[command(flatten)]
    pub(crate) files: Convert,
    /// auto, trtexec, `tensorrt_rtx` (TensorRT-RTX's tool) or rtx (its library: needs no GPU, but a build
    /// with `--features rtx`); a checkpoint is exported first [default: auto, the first that is installed]
    #[arg(long)]
    pub(crate) backend: Option<BackendChoice>,
    /// fp32, fp16 or int8 [default: fp16 with TensorRT up to 10, else the arithmetic of the ONNX file]; a CPU
    /// engine is fp32, or int8 with --data
    #[arg(long)]
    pub(crate) precision: Option<EnginePrecision>,
    /// CPU engine in 8-bit codes, calibrated on training images of --data; the same as --precision int8
    #[arg(long, conflicts_with = "precision")]
    pub(crate) int8: bool,
    /// Take the arithmetic from the ONNX file, also on TensorRT 10
    #[arg(long)]
    pub(crate) strongly_typed: bool,
    /// Sizes of a dynamic input as NAME:MIN,OPT,MAX, such as `images:1x3x640x640,4x3x640x640,16x3x640x640`;
    /// may be repeated
    #[arg(long, value_name = "PROFILE")]
    pub(crate) profile: Vec<ShapeProfile>,
    /// Limit for the builder's scratch memory, in MiB
    #[arg(long, value_name = "MIB")]
    pub(crate) workspace: Option<u32>,
    /// Effort of the search, 0 to 5 [default: the builder's, 3]
    #[arg(long, value_name = "LEVEL")]
    pub(crate) optimization_level: Option<u8>,
    /// File that keeps tactic timings between builds
    #[arg(long, value_name = "FILE")]
    pub(crate) timing_cache: Option<PathBuf>,
    /// Let later minor versions of TensorRT load the engine
    #[arg(long)]
    pub(crate) version_compatible: bool,
    /// Let other GPUs run the engine: `ampere_plus` or `same_compute_capability`
    #[arg(long, value_name = "GPUS")]
    pub(crate) hardware_compatibility: Option<HardwareCompatibility>,
    /// Compute capabilities of the GPUs for TensorRT-RTX, such as `7.5,8.6` [default: 8.0, 8.6, 8.9 and from
    /// 12.0 on]
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub(crate) compute_capability: Vec<ComputeCapability>,
    /// Do not time the engine
    #[arg(long)]
    pub(crate) no_timing: bool,
    /// Write times, layer times and layers as JSON next to the engine
    #[arg(long)]
    pub(crate) exports: bool,
    /// Additional argument for the command-line tool, such as `--extra=--verbose`; may be repeated
    #[arg(long, value_name = "WORD", allow_hyphen_values = true)]
    pub(crate) extra: Vec<String>,
    /// Time limit for the builder, in seconds [default: 1800]
    #[arg(long, value_name = "SECONDS")]
    pub(crate) time_limit: Option<u64>,
    /// The trtexec to use [default: search `TRTEXEC`, PATH and the usual folders]
    #[arg(long, value_name = "FILE")]
    pub(crate) trtexec: Option<PathBuf>,
    /// The `tensorrt_rtx` to use [default: search `TENSORRT_RTX`, PATH and the usual folders]
    #[arg(long, value_name = "FILE")]
    pub(crate) tensorrt_rtx: Option<PathBuf>,
    /// Folder with TensorRT-RTX's libraries [default: search `TENSORRT_RTX_DIR` and the usual folders]
    #[arg(long, value_name = "DIR")]
    pub(crate) rtx_dir: Option<PathBuf>,
    /// Put metadata in front of the plan, as Ultralytics does; trtexec and C++ clients cannot load such a
    /// file
    #[arg(long)]
    pub(crate) ultralytics: bool,
    /// With --ultralytics and a plan as --weights: the ONNX file from which the plan was built
    #[arg(long, value_name = "FILE", requires = "ultralytics")]
    pub(crate) metadata_from: Option<PathBuf>,
}

impl Engine {
    /// Whether the engine computes in 8-bit integers.
    pub(crate) fn is_int8(&self) -> bool {
        self.int8 || self.precision == Some(EnginePrecision::Int8)
    }

    /// The configuration with the options applied; `base` has the values of the file. `--set` comes after it.
    pub(crate) fn over(&self, base: EngineConfig) -> EngineConfig {
        let or = |flag: &Option<PathBuf>, base: Option<PathBuf>| flag.clone().or(base);
        EngineConfig {
            backend: self.backend.unwrap_or(base.backend),
            trtexec: or(&self.trtexec, base.trtexec),
            tensorrt_rtx: or(&self.tensorrt_rtx, base.tensorrt_rtx),
            rtx_folder: or(&self.rtx_dir, base.rtx_folder),
            precision: self.precision.or(self.int8.then_some(EnginePrecision::Int8)).or(base.precision),
            strongly_typed: self.strongly_typed || base.strongly_typed,
            workspace_mib: self.workspace.or(base.workspace_mib),
            profiles: given(&self.profile, base.profiles),
            optimization_level: self.optimization_level.or(base.optimization_level),
            timing_cache: or(&self.timing_cache, base.timing_cache),
            version_compatible: self.version_compatible || base.version_compatible,
            hardware_compatibility: self.hardware_compatibility.or(base.hardware_compatibility),
            compute_capabilities: given(&self.compute_capability, base.compute_capabilities),
            measure: base.measure && !self.no_timing,
            exports: self.exports || base.exports,
            extra: given(&self.extra, base.extra),
            time_limit_seconds: self.time_limit.unwrap_or(base.time_limit_seconds),
        }
    }
}

/// The list from the command line, or `base` if it is empty.
fn given<T: Clone>(flag: &[T], base: Vec<T>) -> Vec<T> {
    if flag.is_empty() { base } else { flag.to_vec() }
}

/// Arguments of `inspect`.
#[derive(Args)]
pub(crate) struct Inspect {
    /// ONNX file, engine of TensorRT or TensorRT-RTX (bare or as Ultralytics writes it), checkpoint, CPU
    /// engine, .pt or state dict
    pub(crate) file: PathBuf,
    /// Write the plan of an engine without the metadata in front of it
    #[arg(long, value_name = "FILE")]
    pub(crate) unwrap: Option<PathBuf>,
}
