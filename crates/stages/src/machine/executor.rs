//! [`executor_options`], [`host_executor`] and [`limit_threads`]: executor, device and threads from settings.

use anyhow::{Context, Result};
use bonsai_exec::{CUDA_BUILT_IN, ComputePrecision, Device, ExecutorKind, ExecutorOptions};

use super::memory_budget;
use crate::ensure_usage;

/// Checked options from the values of a command line or a settings file. An executor that does not support
/// its device is refused before anything is loaded. The options also limit the memory to what is available
/// now.
///
/// # Errors
/// If the device is unknown, not part of this program or not there, the executor does not support it, or `BONSAI_ISA` names an instruction set that
/// the machine lacks.
pub fn executor_options(
    kind: Option<ExecutorKind>,
    device: &str,
    precision: Option<ComputePrecision>,
    threads: usize,
) -> Result<ExecutorOptions> {
    let device: Device = device.parse()?;
    let threads = threads.min(cores());
    let options = ExecutorOptions { kind, device, precision, threads, ..host_executor() };
    ensure_usage!(
        device == Device::Cpu || CUDA_BUILT_IN || kind == Some(ExecutorKind::Cpu),
        "device {device} needs a program with feature cuda, which this one was built without: build it with `cargo build \
         --release -p bonsai-cli --features cuda` on a machine with CUDA's compiler, or use device cpu"
    );
    options.describe()?;
    Ok(options)
}

/// The options with which a run's CPU engines are run and timed: those of the run, on the CPU.
pub fn engine_executor(run: ExecutorOptions) -> ExecutorOptions {
    ExecutorOptions { kind: Some(ExecutorKind::Cpu), device: Device::Cpu, precision: None, ..run }
}

/// The fastest executor on the host, limited to the memory that is available now.
pub fn host_executor() -> ExecutorOptions {
    ExecutorOptions { budget: memory_budget(), ..ExecutorOptions::default() }
}

/// Threads that this process can run at a time, limited by the machine and by the process's permissions. More
/// threads are not faster, and an unlimited number would end the program.
fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// Limits work outside executors (loss, decode, suppression) to `threads` threads, at most one per core; 0
/// means one per core.
///
/// Programs call it once, at their start, because these threads belong to the whole process.
///
/// # Errors
/// If the threads were already started, or the system refuses to start them.
pub fn limit_threads(threads: usize) -> Result<()> {
    if threads == 0 {
        return Ok(());
    }
    let most = cores();
    if threads > most {
        tracing::warn!(
            "the machine runs at most {most} threads at a time, so {most} are used instead of {threads}"
        );
    }
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads.min(most));
    pool.build_global().with_context(|| format!("cannot limit the program to {threads} threads"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_do_not_fit_are_refused_with_both() {
        let text = |e: anyhow::Error| format!("{e:#}");
        let cpu = Some(ExecutorKind::Cpu);
        let on_gpu = |kind| executor_options(kind, "cuda:1", None, 0);
        let message = text(on_gpu(cpu).unwrap_err());
        assert!(message.contains("`cpu`") && message.contains("`cuda:1`"), "{message}");
        // With the feature, the result depends on the machine.
        if !CUDA_BUILT_IN {
            let message = text(on_gpu(None).unwrap_err());
            assert!(message.contains("device cuda:1") && message.contains("--features cuda"), "{message}");
        }
        let tf32 = Some(ComputePrecision::Tf32);
        let message = text(executor_options(None, "cpu", tf32, 0).unwrap_err());
        assert!(message.contains("`cpu`") && message.contains("tf32"), "{message}");
        assert!(text(executor_options(None, "gpu", None, 0).unwrap_err()).contains("unknown device \"gpu\""));
    }
}
