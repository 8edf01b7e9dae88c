//! [`try_onnx`]: the work of a process for a trial run.

use std::path::Path;

use bonsai_checkpoint::Array;

use super::LoadOptions;
use super::artefact::Artefact;
use super::trial::{FAILED, NOT_RUN, WELL};
use crate::{DetectorError, Runtime};

/// The work of a process for a trial run: opens the file with `options` and runs it once under a limit of
/// `memory` bytes. Returns the exit code and the text to print.
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

/// Images of varying pixels, so that all parts of a file have work to do.
fn pattern(dims: [usize; 4]) -> Array {
    let count = dims.iter().product();
    let pixel = |i: usize| (i.wrapping_mul(2_654_435_761) >> 7 & 0xff) as f32 / 255.0;
    Array::new(&dims, (0..count).map(pixel).collect())
}

/// Limits the memory of this process, and disables core dumps.
#[cfg(unix)]
fn limit_memory(bytes: u64) {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    for (resource, most) in [(Resource::As, bytes), (Resource::Core, 0)] {
        let old = getrlimit(resource);
        let most = old.maximum.map_or(most, |maximum| maximum.min(most));
        // If the limit cannot be set, the time limit still applies.
        let _ = setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) });
    }
}

#[cfg(not(unix))]
fn limit_memory(_: u64) {}

impl Runtime {
    /// Parses the arguments after [`Trial::words`](crate::Trial::words) in a process for a trial run: runtime,
    /// threads and memory.
    pub fn tried(words: [&str; 3]) -> Option<(Self, usize, u64)> {
        let [runtime, threads, memory] = words;
        Some((runtime.parse().ok()?, threads.parse().ok()?, memory.parse().ok()?))
    }
}
