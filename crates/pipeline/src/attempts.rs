//! [`Attempts`]: the time that interrupted attempts at a stage took.

use std::fs;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, Result};
use bonsai_stages::{cpu_seconds, load_json, save_json};
use serde::{Deserialize, Serialize};

/// File in the folder of a stage in progress.
const FILE: &str = "attempts.json";

/// Attempts at a stage, up to their last saved state.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Attempts {
    /// Number of attempts.
    pub(crate) count: usize,
    /// Wall-clock seconds of all attempts, up to their last saved state.
    pub(crate) seconds: f64,
    /// Seconds of processor time of all attempts; 0 if the system does not report it.
    #[serde(default)]
    pub(crate) cpu_seconds: f64,
}

/// The start of an attempt, in wall-clock and processor time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    start: Instant,
    cpu: Option<f64>,
}

impl Clock {
    /// Starts the clock.
    pub(crate) fn start() -> Self {
        Self { start: Instant::now(), cpu: cpu_seconds() }
    }

    /// Wall-clock seconds since the start, plus those of earlier attempts.
    pub(crate) fn seconds(&self, earlier: Attempts) -> f64 {
        earlier.seconds + self.start.elapsed().as_secs_f64()
    }

    /// Seconds of processor time since the start, plus those of earlier attempts.
    pub(crate) fn cpu_seconds(&self, earlier: Attempts) -> Option<f64> {
        Some(earlier.cpu_seconds + cpu_seconds()? - self.cpu?)
    }
}

impl Attempts {
    /// Reads the attempts that are recorded in a folder.
    ///
    /// # Errors
    /// If the file exists and cannot be read.
    pub(crate) fn in_folder(folder: &Path) -> Result<Self> {
        let file = folder.join(FILE);
        if file.is_file() { load_json(&file) } else { Ok(Self::default()) }
    }

    /// Writes the attempts, plus the one that `clock` measures.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub(crate) fn save_with(self, clock: Clock, folder: &Path) -> Result<()> {
        let now = Self {
            count: self.count + 1,
            seconds: clock.seconds(self),
            cpu_seconds: clock.cpu_seconds(self).unwrap_or_default(),
        };
        save_json(&folder.join(FILE), &now)
    }

    /// Removes the file: the stage is complete, and its manifest has the times.
    ///
    /// # Errors
    /// If the file cannot be removed.
    pub(crate) fn forget(folder: &Path) -> Result<()> {
        let file = folder.join(FILE);
        if file.exists() {
            fs::remove_file(&file).with_context(|| format!("cannot remove {}", file.display()))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_add_up() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        let start = Clock::start();
        assert_eq!(Attempts::in_folder(at).unwrap(), Attempts::default());
        Attempts { count: 2, seconds: 5.0, cpu_seconds: 9.0 }.save_with(start, at).unwrap();
        let found = Attempts::in_folder(at).unwrap();
        assert!(found.count == 3 && found.seconds >= 5.0 && found.seconds < 60.0, "{found:?}");
        assert!(found.cpu_seconds >= 9.0 || Clock::start().cpu.is_none(), "{found:?}");
        Attempts::forget(at).unwrap();
        Attempts::forget(at).unwrap();
        assert_eq!(Attempts::in_folder(at).unwrap().count, 0);
    }
}
