//! [`write_cpu_engines`] and [`build_engines`]: the engines that the stage `engine` leaves in its folder.
//!
//! The stage always makes engines for the CPU. For GPUs, every installed builder makes an engine of each
//! network and precision; a missing builder gives one entry with the reason.

use std::path::Path;

use anyhow::Result;
use bonsai_checkpoint::Checkpoint;
use bonsai_detector::write_engine;
use bonsai_stages::{Data, RunContext, quantize_stage};
use bonsai_tensorrt::{BackendChoice, EngineOutcome, EnginePrecision};
use serde::{Deserialize, Serialize};

use crate::export_folder::Network;
use crate::{EngineConfig, ExportConfig, PipelineConfig, Progress};

/// File with the outcomes of the engines for GPUs.
pub(crate) const OUTCOMES: &str = "tensorrt.json";

/// An engine for a GPU, or the reason why there is none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct GpuEngine {
    /// `TensorRT engine` or `TensorRT-RTX engine`.
    pub(crate) what: String,
    /// The network; `None` if no engine was built.
    pub(crate) network: Option<Network>,
    /// The report of the build, or the reason why it did not run.
    pub(crate) outcome: EngineOutcome,
}

impl Network {
    /// File name of the engine for the CPU in `f32`.
    pub(crate) fn cpu_engine(self) -> String {
        format!("{}.cpu.safetensors", self.stem())
    }

    /// File name of the engine for the CPU in 8-bit codes.
    pub(crate) fn int8_cpu_engine(self) -> String {
        format!("{}.int8.cpu.safetensors", self.stem())
    }
}

/// Writes the engines of a network for the CPU: in `f32`, and, if `export.int8` is on, in 8-bit codes. A
/// network that was trained with codes keeps them; those of another are calibrated on training images.
///
/// # Errors
/// If the calibration fails or a file cannot be written.
pub(crate) fn write_cpu_engines(
    folder: &Path,
    (network, checkpoint): (Network, &Checkpoint),
    settings: &ExportConfig,
    data: &Data,
    context: &RunContext,
) -> Result<()> {
    write_engine(&checkpoint.without_codes(), folder.join(network.cpu_engine()))?;
    if settings.int8 {
        let coded = match checkpoint.quantization {
            Some(_) => checkpoint.clone(),
            None => quantize_stage(checkpoint, &settings.into(), &data.train, context)?,
        };
        write_engine(&coded, folder.join(network.int8_cpu_engine()))?;
    }
    Ok(())
}

/// Builds engines from the ONNX files in `onnx` with every builder that is installed.
///
/// # Errors
/// If a builder is installed, accepts a file, and fails to build it.
pub(crate) fn build_engines(
    folder: &Path,
    onnx: &Path,
    run: &PipelineConfig,
    progress: &mut dyn Progress,
) -> Result<Vec<GpuEngine>> {
    let config = &run.engine;
    let exported = run.export.precisions();
    let mut made = Vec::new();
    for (what, choices) in builders(config.backend) {
        if exported.is_empty() {
            let because = "no ONNX file is exported; set export.fp16=true".to_owned();
            let outcome = EngineOutcome::NotRun { because };
            made.push(GpuEngine { what: what.to_owned(), network: None, outcome });
        }
        'builder: for network in Network::ALL {
            for precision in sources(config, &exported) {
                if precision == EnginePrecision::Int8 && network == Network::Finetuned && run.finetune.qat {
                    let because =
                        "TensorRT accepts no zero points, and quantisation-aware training chose codes with \
                                   them; set finetune.qat=false"
                            .to_owned();
                    let what = format!("{what}, {precision}, {}", network.title());
                    made.push(GpuEngine { what, network: None, outcome: EngineOutcome::NotRun { because } });
                    continue;
                }
                let onnx = onnx.join(network.onnx(precision));
                let engine = folder.join(format!("{}.{precision}.engine", network.stem()));
                let outcome = build_first(config, choices, &onnx, &engine, progress)?;
                let network = matches!(outcome, EngineOutcome::Built(_)).then_some(network);
                made.push(GpuEngine { what: what.to_owned(), network, outcome });
                if network.is_none() {
                    // The builder would give the same reason for every file.
                    break 'builder;
                }
            }
        }
    }
    Ok(made)
}

/// The kinds of engine to build, each with the builders to try in order.
fn builders(choice: BackendChoice) -> Vec<(&'static str, &'static [BackendChoice])> {
    const TENSORRT: &str = "TensorRT engine";
    const RTX: &str = "TensorRT-RTX engine";
    match choice {
        BackendChoice::Auto => vec![
            (TENSORRT, &[BackendChoice::Trtexec]),
            (RTX, &[BackendChoice::TensorrtRtx, BackendChoice::Rtx]),
        ],
        BackendChoice::Trtexec => vec![(TENSORRT, &[BackendChoice::Trtexec])],
        BackendChoice::TensorrtRtx => vec![(RTX, &[BackendChoice::TensorrtRtx])],
        BackendChoice::Rtx => vec![(RTX, &[BackendChoice::Rtx])],
    }
}

/// The precisions of the ONNX files to build from: those that GPUs are fast at, if they were exported.
fn sources(config: &EngineConfig, exported: &[EnginePrecision]) -> Vec<EnginePrecision> {
    let wanted = |precision: &EnginePrecision| match config.precision {
        // If no file has this precision, the builder converts the first file itself, or refuses.
        Some(asked) => *precision == asked,
        None => *precision != EnginePrecision::Fp32,
    };
    let found: Vec<EnginePrecision> = exported.iter().copied().filter(wanted).collect();
    if found.is_empty() { exported.iter().copied().take(1).collect() } else { found }
}

fn build_first(
    config: &EngineConfig,
    choices: &[BackendChoice],
    onnx: &Path,
    engine: &Path,
    progress: &mut dyn Progress,
) -> Result<EngineOutcome> {
    let mut reasons = Vec::new();
    for backend in choices {
        let config = EngineConfig { backend: *backend, ..config.clone() };
        match config.build(onnx, engine, progress)? {
            EngineOutcome::NotRun { because } => reasons.push(because),
            built @ EngineOutcome::Built(_) => return Ok(built),
        }
    }
    // The last builder needs the least of a machine, so its reason comes first.
    reasons.reverse();
    Ok(EngineOutcome::NotRun { because: reasons.join("; ") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engines_are_built_from_precisions_that_gpus_are_fast_at() {
        let of = |precision, exported: &[EnginePrecision]| {
            sources(&EngineConfig { precision, ..EngineConfig::default() }, exported)
        };
        let all = [EnginePrecision::Fp32, EnginePrecision::Fp16, EnginePrecision::Int8];
        assert_eq!(of(None, &all), [EnginePrecision::Fp16, EnginePrecision::Int8]);
        assert_eq!(of(None, &all[..1]), [EnginePrecision::Fp32]);
        assert_eq!(of(Some(EnginePrecision::Int8), &all), [EnginePrecision::Int8]);
        assert_eq!(of(Some(EnginePrecision::Fp16), &all[..1]), [EnginePrecision::Fp32]);
        assert!(of(None, &[]).is_empty());
    }
}
