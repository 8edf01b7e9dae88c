//! Engines: TensorRT through trtexec where there is one. (The CPU engine is `bonsai_detector::write_engine`.)

use std::path::Path;

use anyhow::Result;
use bonsai_tensorrt::{BuildOptions, EngineOutcome, Environment, FindOptions, Precision, build_if_possible};

use crate::{EngineConfig, Progress};

/// What the environment says about trtexec; read here so that no library reads it.
pub fn environment() -> Environment {
    Environment { trtexec: std::env::var_os("TRTEXEC"), path: std::env::var_os("PATH") }
}

/// Builds `engine` from `onnx` (fp32), or says why not.
///
/// # Errors
/// If trtexec is there, accepts the request, and fails.
pub fn build_tensorrt(
    config: &EngineConfig,
    onnx: &Path,
    engine: &Path,
    progress: &mut dyn Progress,
) -> Result<EngineOutcome> {
    let find = FindOptions {
        explicit: config.trtexec.clone(),
        environment: environment(),
        ..FindOptions::default()
    };
    let options = BuildOptions {
        precision: config.precision,
        onnx_precision: Precision::Fp32,
        ..BuildOptions::new(onnx, engine)
    };
    let mut line = |text: &str| progress.note(text);
    Ok(build_if_possible(&find, &options, &mut line)?)
}
