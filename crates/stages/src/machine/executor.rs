//! From settings to what runs a network: executor, device, threads.

use anyhow::{Context, Result};
use bonsai_exec::{Device, ExecutorKind, ExecutorOptions};

use super::memory_budget;

/// Options from the words of a command line or a settings file, checked: an executor that does not fit its device is
/// refused before anything is loaded. What does not fit into the memory that there is now will be refused, too.
///
/// # Errors
/// If the device is none, executor and device do not fit, or `BONSAI_ISA` names what the machine does not have.
pub fn executor_options(kind: Option<ExecutorKind>, device: &str, threads: usize) -> Result<ExecutorOptions> {
    let device: Device = device.parse().map_err(anyhow::Error::msg)?;
    let threads = threads.min(cores());
    let options = ExecutorOptions { kind, device, threads, ..host_executor() };
    options.describe()?;
    Ok(options)
}

/// The fastest way on the host, within the memory that there is now.
pub fn host_executor() -> ExecutorOptions {
    ExecutorOptions { budget: memory_budget(), ..ExecutorOptions::default() }
}

/// Threads that this process can run at a time, by the machine and by what it is allowed: more make nothing faster, and a
/// number without a limit ends the program.
fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// Limits what runs outside executors (loss, decode, suppression) to so many threads, at most one per core; 0 leaves it at one per core.
///
/// For programs, once, before anything else: these threads belong to the whole process.
///
/// # Errors
/// If they were started already, or the system starts no more.
pub fn limit_threads(threads: usize) -> Result<()> {
    if threads == 0 {
        return Ok(());
    }
    let most = cores();
    if threads > most {
        tracing::warn!(
            "{threads} threads were asked for, and this machine runs {most} at a time: {most} are used"
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
        let message = text(executor_options(cpu, "cuda:1", 0).unwrap_err());
        assert!(message.contains("`cpu`") && message.contains("`cuda:1`"), "{message}");
        assert!(text(executor_options(None, "gpu", 0).unwrap_err()).contains("`gpu`"));
        assert_eq!(executor_options(None, "cuda:0", 3).unwrap().chosen().unwrap(), ExecutorKind::Candle);
    }
}
