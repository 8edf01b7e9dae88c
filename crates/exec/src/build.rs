//! [`build_executor`], [`build_inference`] and [`build_deployed`]: the executor and the inference that options
//! select.

use bonsai_checkpoint::{Checkpoint, Weights};
use bonsai_graph::Graph;

#[cfg(feature = "candle")]
use crate::candle::CandleExecutor;
#[cfg(feature = "cuda")]
use crate::cuda::CudaExecutor;
#[cfg(feature = "candle")]
use crate::eval_only::EvalOnly;
use crate::{
    CpuExecutor, CpuInference, ExecError, Executor, ExecutorKind, ExecutorOptions, Inference, Int8Inference,
    Int8Isa, Int8Options,
};

/// Creates the executor that the options select, for training and evaluation.
///
/// # Errors
/// As [`ExecutorOptions::chosen`]; `ExecError::Device` if the device cannot be opened, [`ExecError::Threads`]
/// if the system cannot start the threads, [`ExecError::Weights`] if the parameters do not fit the graph.
pub fn build_executor(
    graph: &Graph,
    weights: &Weights,
    options: &ExecutorOptions,
) -> Result<Box<dyn Executor + Send>, ExecError> {
    match options.chosen()? {
        ExecutorKind::Cpu => {
            Ok(Box::new(CpuExecutor::new(graph, weights, options.cpu())?.with_budget(options.budget)))
        }
        #[cfg(feature = "candle")]
        ExecutorKind::Candle => {
            let executor = CandleExecutor::new(graph, weights, options.device)?;
            Ok(Box::new(executor.with_budget(options.budget).with_threads(options.threads)?))
        }
        #[cfg(feature = "cuda")]
        ExecutorKind::Cuda => Ok(Box::new(cuda_executor(graph, weights, options)?)),
        #[cfg(not(feature = "candle"))]
        ExecutorKind::Candle => Err(ExecError::NoCandle),
        #[cfg(not(feature = "cuda"))]
        ExecutorKind::Cuda => Err(ExecError::NoCuda),
    }
}

/// Creates the inference that the options select. On the CPU, it needs less memory than [`build_executor`].
///
/// # Errors
/// As [`build_executor`].
pub fn build_inference(
    graph: &Graph,
    weights: Weights,
    options: &ExecutorOptions,
) -> Result<Box<dyn Inference + Send>, ExecError> {
    match options.chosen()? {
        ExecutorKind::Cpu => {
            Ok(Box::new(CpuInference::new(graph, weights, options.cpu())?.with_budget(options.budget)))
        }
        #[cfg(feature = "candle")]
        ExecutorKind::Candle => {
            let executor = CandleExecutor::new(graph, &weights, options.device)?;
            let executor = executor.with_budget(options.budget).with_threads(options.threads)?;
            Ok(Box::new(EvalOnly::new(executor)))
        }
        #[cfg(feature = "cuda")]
        ExecutorKind::Cuda => Ok(Box::new(EvalOnly::new(cuda_executor(graph, &weights, options)?))),
        #[cfg(not(feature = "candle"))]
        ExecutorKind::Candle => Err(ExecError::NoCandle),
        #[cfg(not(feature = "cuda"))]
        ExecutorKind::Cuda => Err(ExecError::NoCuda),
    }
}

/// Creates the inference of a network with folded batch norm: on 8-bit codes if the checkpoint has a
/// quantisation, otherwise as [`build_inference`].
///
/// # Errors
/// As [`build_inference`] and [`Int8Inference::new`]; [`ExecError::CodesExecutor`] if the network computes in
/// codes and the options select another executor than that of the CPU.
pub fn build_deployed(
    folded: Checkpoint,
    options: &ExecutorOptions,
) -> Result<Box<dyn Inference + Send>, ExecError> {
    let Checkpoint { model, weights, quantization, .. } = folded;
    let Some(quantization) = quantization else {
        return build_inference(model.graph(), weights, options);
    };
    let kind = options.chosen()?;
    if kind != ExecutorKind::Cpu {
        return Err(ExecError::CodesExecutor { kind });
    }
    let own = Int8Options { threads: options.threads, isa: options.isa.map(Int8Isa::within) };
    let engine = Int8Inference::new(model.graph(), &weights, &quantization, own)?;
    Ok(Box::new(engine.with_budget(options.budget)))
}

/// The environment variable that turns CUDA graphs on. It becomes a setting after a measurement on a GPU.
#[cfg(feature = "cuda")]
const GRAPHS: &str = "BONSAI_CUDA_GRAPHS";

#[cfg(feature = "cuda")]
fn cuda_executor(
    graph: &Graph,
    weights: &Weights,
    options: &ExecutorOptions,
) -> Result<CudaExecutor, ExecError> {
    let executor = CudaExecutor::new(graph, weights, options.device, options.precision.unwrap_or_default())?;
    Ok(executor.with_graphs(std::env::var_os(GRAPHS).is_some_and(|value| value == "1")))
}
