//! A file of unknown origin is tried in a process of its own before this one runs it.
//!
//! What a file asks for is checked first (`guard`), and that is what keeps files from taking all memory or all time. But a
//! runtime may still have a flaw that a file finds: then it ends the process, which must not be ours. Running every picture
//! in another process would cost a copy of every tensor, and latencies would no longer be the runtime's; so the file is
//! opened and run once there, under limits of memory and time, and here if that went well. What remains is a flaw that only
//! some pictures find.
//!
//! The other process is a program that calls [`try_onnx`], usually the running one with other arguments; who uses this crate
//! as a library and names none goes without.

use std::ffi::OsString;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use bonsai_checkpoint::Array;
use bonsai_onnx::Footprint;

use super::artefact::Artefact;
use super::runtime::{LoadOptions, Runtime};
use crate::DetectorError;

/// How often the process is asked whether it has ended.
const POLL: Duration = Duration::from_millis(5);
/// Bytes of a message that are read.
const MESSAGE: u64 = 4096;
/// Time beside what the operations take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Operations in a second, on a slow machine that does something else beside.
const OPERATIONS: u64 = 2_000_000_000;
/// Seconds that nobody waits for longer.
const LONGEST: u64 = 1800;
/// Bytes that a process takes without any file, and of address space with each thread (stacks, and the allocator's arenas).
const BASE: u64 = 2 << 30;
const PER_THREAD: u64 = 160 << 20;

/// How a process says that it tried the file and all was well.
const WELL: u8 = 0;
/// That the runtime is not there.
const NOT_RUN: u8 = 3;
/// That there was an error, which is its output.
const FAILED: u8 = 1;

/// A program that tries files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trial {
    /// It is started with `words`, and then runtime, threads (0: all), bytes of memory, onnxruntime's library (empty: look for
    /// it), and the file, which are to be given to [`try_onnx`].
    pub program: PathBuf,
    /// What makes it do that.
    pub words: Vec<OsString>,
}

/// What the file takes, and how large it is.
pub(super) struct Needs {
    pub(super) footprint: Footprint,
    pub(super) file: u64,
}

impl Trial {
    /// Has the file tried; an error if that ended in any way but well.
    pub(super) fn run(&self, path: &Path, options: &LoadOptions, needs: &Needs) -> Result<(), DetectorError> {
        let runtime = options.runtime.unwrap_or_default();
        let threads =
            std::thread::available_parallelism().map_or(1, usize::from).max(options.executor.threads);
        // Weights are held as a file, as a message and by the runtime, which may turn them around; values twice.
        let memory = BASE
            .saturating_add(PER_THREAD.saturating_mul(threads as u64))
            .saturating_add(needs.file.saturating_mul(6))
            .saturating_add(needs.footprint.bytes.saturating_mul(2));
        let limit = PATIENCE + Duration::from_secs((needs.footprint.work / OPERATIONS).min(LONGEST));
        let library = options.library.explicit.clone().unwrap_or_default();
        let mut command = Command::new(&self.program);
        command.args(&self.words).arg(runtime.name()).arg(options.executor.threads.to_string());
        command.arg(memory.to_string()).arg(library).arg(path);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        // A program that cannot be started says nothing of the file, which was checked already.
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

/// What a process says that was started to try a file: opens it with `options` and runs it once under a limit of `memory`
/// bytes. Gives the code to end with and what to print.
pub fn try_onnx(path: &Path, options: &LoadOptions, memory: u64) -> (u8, String) {
    limit_memory(memory);
    let options = LoadOptions { trial: None, ..options.clone() };
    let tried = Artefact::open(path, &options).and_then(|mut artefact| {
        let dims = artefact.signature.usual_images();
        artefact.run(&pattern(dims)).map(drop)
    });
    match tried {
        Ok(()) => (WELL, String::new()),
        Err(DetectorError::NotRun { .. }) => (NOT_RUN, String::new()),
        Err(error) => {
            let mut text = error.to_string();
            let mut cause = std::error::Error::source(&error);
            while let Some(error) = cause {
                text = format!("{text}: {error}");
                cause = error.source();
            }
            (FAILED, text)
        }
    }
}

/// Images of no two pixels alike, so that all of a file has something to do.
fn pattern(dims: [usize; 4]) -> Array {
    let count = dims.iter().product();
    let pixel = |i: usize| (i.wrapping_mul(2_654_435_761) >> 7 & 0xff) as f32 / 255.0;
    Array::new(&dims, (0..count).map(pixel).collect())
}

/// Killed and waited for when it is dropped.
struct Reaped(Child);

impl Reaped {
    /// How it ended; `None` if it had not within the limit.
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

    /// What it said. A message fits into the pipe, so that it never waits for a reader.
    fn message(&mut self) -> String {
        let mut bytes = Vec::new();
        if let Some(pipe) = self.0.stdout.take() {
            // What could be read is all there is to say.
            let _ = pipe.take(MESSAGE).read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).trim().to_owned()
    }
}

impl Drop for Reaped {
    fn drop(&mut self) {
        // Both fail only where it has ended and was waited for.
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

/// No more memory than that, and no picture of the memory on the disk if it goes wrong.
#[cfg(unix)]
fn limit_memory(bytes: u64) {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    for (resource, most) in [(Resource::As, bytes), (Resource::Core, 0)] {
        let old = getrlimit(resource);
        let most = old.maximum.map_or(most, |maximum| maximum.min(most));
        // Where it cannot be set, the limit of time remains.
        let _ = setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) });
    }
}

#[cfg(not(unix))]
fn limit_memory(_: u64) {}

impl Runtime {
    /// Options of a process that was started to try a file, from the words behind [`Trial::words`]: runtime, threads and
    /// memory.
    pub fn tried(words: [&str; 3]) -> Option<(Self, usize, u64)> {
        let [runtime, threads, memory] = words;
        Some((runtime.parse().ok()?, threads.parse().ok()?, memory.parse().ok()?))
    }
}
