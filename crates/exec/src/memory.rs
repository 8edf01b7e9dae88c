//! [`memory_need`] and [`check_memory`]: how much memory the selected executor needs, computed before it
//! allocates.

use bonsai_graph::Graph;

#[cfg(feature = "candle")]
use crate::CandleExecutor;
use crate::need::{least, pass_of};
use crate::{CpuInference, Device, ExecError, ExecutorKind, ExecutorOptions, MemoryNeed, Mode};

/// Memory for a pass over `n` images of `h` x `w` pixels on an executor with these options, including its
/// parameters and their buffers. The result is exact for the CPU executor, approximate for candle on the
/// host, and zero on a GPU, which does not use memory of the machine.
///
/// [`Mode::Train`] counts a whole step and all buffers of a training executor, [`Mode::Eval`] inference only.
/// The function allocates no tensors, but takes about as long as making a plan for the size.
///
/// # Errors
/// As [`ExecutorOptions::chosen`]; [`ExecError::Graph`] if the graph cannot run on the size, [`ExecError::Kernel`] if the size exceeds any
/// memory.
pub fn memory_need(
    graph: &Graph,
    mode: Mode,
    [n, h, w]: [usize; 3],
    options: &ExecutorOptions,
) -> Result<MemoryNeed, ExecError> {
    match (options.chosen()?, options.device) {
        (ExecutorKind::Cpu, _) => CpuInference::memory_need(graph, mode, [n, h, w], options.cpu()),
        #[cfg(feature = "candle")]
        (ExecutorKind::Candle, Device::Cpu) => CandleExecutor::memory_need(graph, mode, [n, h, w]),
        #[cfg(feature = "candle")]
        (ExecutorKind::Candle, Device::Cuda(_)) => Ok(MemoryNeed::default()),
        #[cfg(not(feature = "candle"))]
        (ExecutorKind::Candle, _) => Err(ExecError::NoCandle),
        (ExecutorKind::Cuda, _) => Ok(MemoryNeed::default()),
    }
}

/// Returns an error for a pass that exceeds the budget, before any memory is allocated.
///
/// # Errors
/// [`ExecError::Memory`] if it does not fit; errors of [`memory_need`].
pub fn check_memory(
    graph: &Graph,
    mode: Mode,
    size: [usize; 3],
    options: &ExecutorOptions,
) -> Result<(), ExecError> {
    let Some(budget) = options.budget else { return Ok(()) };
    if options.device == Device::Cpu {
        budget.check(&pass_of(mode, size), least(graph, size)?)?;
    }
    budget.check(&pass_of(mode, size), memory_need(graph, mode, size, options)?)
}
