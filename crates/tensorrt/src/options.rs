//! What engine is wanted, in words of this crate.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Arithmetic of an engine or of an ONNX file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Precision {
    /// 32-bit floats.
    #[default]
    Fp32,
    /// 16-bit floats.
    Fp16,
    /// 8-bit integers with scales from explicit quantise / dequantise nodes.
    Int8,
}

/// Sizes that an input of dynamic shape may take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShapeProfile {
    /// Name of the input, `images` for Bonsai's exports.
    pub input: String,
    /// Smallest shape, NCHW.
    pub min: Vec<usize>,
    /// Shape to optimise for.
    pub opt: Vec<usize>,
    /// Largest shape.
    pub max: Vec<usize>,
}

/// What to build and how.
///
/// [`BuildOptions::new`] gives fp32, a measured latency and half an hour; change what differs.
#[derive(Debug, Clone, PartialEq)]
pub struct BuildOptions {
    /// The ONNX file.
    pub onnx: PathBuf,
    /// Where the plan goes; its folder must exist. An older file there is replaced on success only.
    pub engine: PathBuf,
    /// Arithmetic of the engine.
    pub precision: Precision,
    /// Arithmetic the ONNX file spells out: `Fp16` if its weights are fp16, `Int8` if it has Q/DQ nodes.
    pub onnx_precision: Precision,
    /// Upper bound of the builder's scratch memory, in MiB; TensorRT's own default is all of the GPU's.
    pub workspace_mib: Option<u32>,
    /// Needed exactly if the ONNX file has a dynamic shape.
    pub profile: Option<ShapeProfile>,
    /// How hard to search, 0 to 5; TensorRT's own default is 3.
    pub optimization_level: Option<u8>,
    /// File in which tactic timings are kept between builds.
    pub timing_cache: Option<PathBuf>,
    /// Whether to time the engine after building it.
    pub measure: bool,
    /// Further words for `trtexec`, passed as they are.
    pub extra: Vec<String>,
    /// Time after which `trtexec` is killed.
    pub time_limit: Duration,
}

impl BuildOptions {
    /// An fp32 engine from an fp32 file.
    pub fn new(onnx: impl Into<PathBuf>, engine: impl Into<PathBuf>) -> Self {
        Self {
            onnx: onnx.into(),
            engine: engine.into(),
            precision: Precision::Fp32,
            onnx_precision: Precision::Fp32,
            workspace_mib: None,
            profile: None,
            optimization_level: None,
            timing_cache: None,
            measure: true,
            extra: Vec::new(),
            time_limit: Duration::from_mins(30),
        }
    }
}
