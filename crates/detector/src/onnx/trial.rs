//! [`Trial`]: a trial run of a file of unknown origin in a separate process.
//!
//! `guard` checks the resource needs of a file first, which prevents files from taking all memory or time.
//! But a runtime may have a flaw that a file triggers and that ends the process. Running every picture in a
//! separate process would cost a copy of every tensor, and latencies would no longer be the runtime's. So the
//! file is opened and run once in a separate process, under limits of memory and time, and in this process
//! only if that succeeded. A flaw that only some pictures trigger is not caught.
//!
//! The separate process is a program that calls [`try_onnx`](crate::try_onnx()), usually the running program
//! with other arguments. A library user who sets no program gets no trial run.

use std::ffi::OsString;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use bonsai_onnx::Footprint;

use super::LibrarySearch;
use crate::{DetectorError, Runtime};

/// Interval for checking whether the process has ended.
const POLL: Duration = Duration::from_millis(5);
/// Maximum number of bytes read from a message.
const MESSAGE: u64 = 4096;
/// Time allowed in addition to the estimate for the operations.
const PATIENCE: Duration = Duration::from_secs(30);
/// Operations per second on a slow and busy machine.
const OPERATIONS: u64 = 2_000_000_000;
/// Upper limit for the estimated seconds.
const LONGEST: u64 = 1800;
/// Bytes that a process needs without any file, and address space per thread (stacks and the allocator's
/// arenas).
const BASE: u64 = 2 << 30;
const PER_THREAD: u64 = 160 << 20;

/// Exit code of a process whose trial run succeeded.
pub(super) const WELL: u8 = 0;
/// Exit code if the runtime is not available.
pub(super) const NOT_RUN: u8 = 3;
/// Exit code if there was an error; the process prints the error.
pub(super) const FAILED: u8 = 1;

/// A program for trial runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trial {
    /// The program. It is started with `words`, followed by the runtime, threads (0: all), bytes of memory,
    /// onnxruntime's library (empty: search for it), and the file, which it must pass to
    /// [`try_onnx`](crate::try_onnx()).
    pub program: PathBuf,
    /// Arguments that make the program run a trial.
    pub words: Vec<OsString>,
}

/// The file to try, its runtime, and what both need.
pub(super) struct Attempt<'a> {
    pub(super) path: &'a Path,
    pub(super) runtime: Runtime,
    /// Threads of the runtime; 0 for one per core.
    pub(super) threads: usize,
    pub(super) library: &'a LibrarySearch,
    /// The resource needs of a run.
    pub(super) footprint: Footprint,
    /// Size of the file in bytes.
    pub(super) bytes: u64,
}

impl Trial {
    /// Runs the trial; returns an error if it failed in any way.
    pub(super) fn run(&self, attempt: &Attempt<'_>) -> Result<(), DetectorError> {
        let &Attempt { path, runtime, threads, library, footprint, bytes } = attempt;
        let most = std::thread::available_parallelism().map_or(1, usize::from).max(threads);
        // Weights exist as a file, as a message and in the runtime, which may rearrange them; values exist
        // twice.
        let memory = BASE
            .saturating_add(PER_THREAD.saturating_mul(most as u64))
            .saturating_add(bytes.saturating_mul(6))
            .saturating_add(footprint.bytes.saturating_mul(2));
        let limit = PATIENCE + Duration::from_secs((footprint.work / OPERATIONS).min(LONGEST));
        let library = library.explicit.clone().unwrap_or_default();
        let mut command = Command::new(&self.program);
        command.args(&self.words).arg(runtime.name()).arg(threads.to_string());
        command.arg(memory.to_string()).arg(library).arg(path);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        // A program that cannot be started does not make the file invalid, and the file was already checked.
        let Ok(child) = command.spawn() else { return Ok(()) };
        let mut child = Reaped(child);
        let failed = |what: String| Err(DetectorError::Trial { runtime, what });
        match child.wait(limit) {
            None => failed(format!("took longer than {} s for one run and was stopped", limit.as_secs())),
            Some(status) => match status.code().map(u8::try_from) {
                Some(Ok(WELL | NOT_RUN)) => Ok(()),
                Some(Ok(FAILED)) => failed(child.message()),
                Some(code) => failed(format!("ended its process with code {code:?}")),
                None => failed(format!("{}: its memory was used up or damaged", ending(status))),
            },
        }
    }
}

/// A child process that is killed and waited for when dropped.
struct Reaped(Child);

impl Reaped {
    /// The exit status; `None` if the process did not end within the limit.
    fn wait(&mut self, limit: Duration) -> Option<ExitStatus> {
        let start = Instant::now();
        loop {
            match self.0.try_wait() {
                Ok(Some(status)) => return Some(status),
                Ok(None) if start.elapsed() < limit => std::thread::sleep(POLL),
                _ => return None,
            }
        }
    }

    /// The output of the process. A message fits into the pipe, so the process never waits for a reader.
    fn message(&mut self) -> String {
        let mut bytes = Vec::new();
        if let Some(pipe) = self.0.stdout.take() {
            // On a read error, the bytes read so far are the message.
            let _ = pipe.take(MESSAGE).read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).trim().to_owned()
    }
}

impl Drop for Reaped {
    fn drop(&mut self) {
        // Both calls fail only if the process has ended and was already waited for.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[cfg(unix)]
fn ending(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt as _;
    let signal = status.signal().unwrap_or_default();
    let name = match signal {
        4 => " (SIGILL)",
        6 => " (SIGABRT)",
        7 => " (SIGBUS)",
        8 => " (SIGFPE)",
        9 => " (SIGKILL)",
        11 => " (SIGSEGV)",
        _ => "",
    };
    format!("ended its process by signal {signal}{name}")
}

#[cfg(not(unix))]
fn ending(status: ExitStatus) -> String {
    format!("ended its process: {status}")
}
