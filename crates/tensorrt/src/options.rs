//! [`BuildOptions`]: options of an engine, independent of its builder.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{ComputeCapability, ShapeProfile, UnknownName};

/// Arithmetic of an engine or of an ONNX file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum EnginePrecision {
    /// 32-bit floats.
    #[default]
    Fp32,
    /// 16-bit floats.
    Fp16,
    /// 8-bit integers with scales from explicit quantise / dequantise nodes.
    Int8,
}

impl fmt::Display for EnginePrecision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fp32 => "fp32",
            Self::Fp16 => "fp16",
            Self::Int8 => "int8",
        })
    }
}

impl FromStr for EnginePrecision {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        let known = [Self::Fp32, Self::Fp16, Self::Int8];
        let found = known.into_iter().find(|precision| precision.to_string() == text);
        found.ok_or_else(|| UnknownName::new("precision", text, "fp32, fp16 or int8"))
    }
}

/// Other GPUs than the building one on which an engine runs too, at a loss of speed.
///
/// For TensorRT only: an engine of TensorRT-RTX runs on every [`ComputeCapability`] that it was built for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum HardwareCompatibility {
    /// Ampere and every later architecture.
    AmperePlus,
    /// GPUs of the builder's compute capability (TensorRT 10 and later).
    SameComputeCapability,
}

impl FromStr for HardwareCompatibility {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        match text {
            "ampere_plus" => Ok(Self::AmperePlus),
            "same_compute_capability" => Ok(Self::SameComputeCapability),
            _ => Err(UnknownName::new("compatibility", text, "ampere_plus or same_compute_capability")),
        }
    }
}

/// Files with metrics that `trtexec` writes in addition to the engine, each only if requested.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ProfilingExports {
    /// JSON of the times of every inference.
    pub times: Option<PathBuf>,
    /// JSON of the time of every layer, measured in a run of its own.
    pub profile: Option<PathBuf>,
    /// JSON of the implementation of every layer.
    pub layer_info: Option<PathBuf>,
}

/// Options of a build.
///
/// [`BuildOptions::new`] gives the precision that suits the file, a measured latency and a limit of half an
/// hour; change the fields that differ.
#[derive(Debug, Clone, PartialEq)]
pub struct BuildOptions {
    /// The ONNX file.
    pub onnx: PathBuf,
    /// Path of the plan; its folder must exist. An older file is replaced only on success.
    pub engine: PathBuf,
    /// Arithmetic of the engine. `None` is fp16 if the builder converts weights (`trtexec` up to version 10,
    /// weakly typed), and the arithmetic of the file otherwise.
    pub precision: Option<EnginePrecision>,
    /// Whether every layer computes in the types of the file, and in no faster one. TensorRT 11 and
    /// TensorRT-RTX always do so.
    pub strongly_typed: bool,
    /// Upper bound of the builder's scratch memory, in MiB; TensorRT's own default is all of the GPU's.
    pub workspace_mib: Option<u32>,
    /// One profile for each input that has a dynamic shape.
    pub profiles: Vec<ShapeProfile>,
    /// Effort of the search, 0 to 5; TensorRT's own default is 3.
    pub optimization_level: Option<u8>,
    /// File that keeps tactic timings between builds; it is replaced only on success.
    pub timing_cache: Option<PathBuf>,
    /// Whether later minor versions of TensorRT can load the engine too.
    pub version_compatible: bool,
    /// Other GPUs on which the engine runs too.
    pub hardware_compatibility: Option<HardwareCompatibility>,
    /// GPUs that an engine of TensorRT-RTX is built for; empty for the library's own choice (8.0, 8.6, 8.9
    /// and from 12.0 on). Not for TensorRT, whose engines are for the GPU that built them.
    pub compute_capabilities: Vec<ComputeCapability>,
    /// Whether to time the engine after building it, which needs a GPU.
    pub measure: bool,
    /// Additional files to write.
    pub exports: ProfilingExports,
    /// Additional arguments of the command line tool, passed unchanged.
    pub extra: Vec<String>,
    /// Time after which the builder is stopped.
    pub time_limit: Duration,
}

impl BuildOptions {
    /// Options of an engine from a file, with the builder's own defaults.
    pub fn new(onnx: impl Into<PathBuf>, engine: impl Into<PathBuf>) -> Self {
        Self {
            onnx: onnx.into(),
            engine: engine.into(),
            precision: None,
            strongly_typed: false,
            workspace_mib: None,
            profiles: Vec::new(),
            optimization_level: None,
            timing_cache: None,
            version_compatible: false,
            hardware_compatibility: None,
            compute_capabilities: Vec::new(),
            measure: true,
            exports: ProfilingExports::default(),
            extra: Vec::new(),
            time_limit: Duration::from_mins(30),
        }
    }
}
