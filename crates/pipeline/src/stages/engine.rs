//! Engines of TensorRT and TensorRT-RTX, where there is a builder. (The CPU engine is `bonsai_detector::write_engine`.)

use std::path::Path;

use anyhow::Result;
use bonsai_tensorrt::{EngineOutcome, build_if_possible};

use crate::{EngineConfig, Progress};

/// Builds `engine` from `onnx`, or says why not. TensorRT-RTX's is named `*.rtx.engine`.
///
/// # Errors
/// If a builder is there, accepts the request, and fails; or the file or the settings are wrong on any machine.
pub fn build_tensorrt(
    config: &EngineConfig,
    onnx: &Path,
    engine: &Path,
    progress: &mut dyn Progress,
) -> Result<EngineOutcome> {
    let options = config.build_options(onnx, engine);
    let mut line = |text: &str| progress.note(text);
    Ok(build_if_possible(config.backend, &config.places(), &options, &mut line)?)
}
