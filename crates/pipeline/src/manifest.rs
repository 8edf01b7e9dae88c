//! [`Manifest`]: the record of a completed stage, with digests of its inputs and outputs.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use bonsai_checkpoint::write_file;
use bonsai_exec::ExecutorInfo;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Stage, digest_file, digest_json};

/// The record of a completed stage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The stage.
    pub stage: Stage,
    /// Version of this program.
    pub version: String,
    /// The part of the configuration that the stage was made from, by the names of the settings.
    pub config: Value,
    /// For each input stage, the digest of all its files.
    pub inputs: BTreeMap<Stage, String>,
    /// SHA-256 of every file of the stage, by name.
    pub outputs: BTreeMap<String, String>,
    /// Seed of all randomness.
    pub seed: u64,
    /// Start time in UTC, for readers: the program decides nothing by it.
    pub began: String,
    /// Wall-clock seconds of the stage, with those of interrupted attempts up to their last saved state.
    pub seconds: f64,
    /// Number of interruptions after which the stage resumed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub interruptions: usize,
    /// Processor seconds over all threads, counted as `seconds` is; `None` if the system does not report
    /// them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_seconds: Option<f64>,
    /// Peak resident memory of the stage, in MiB; `None` if the system does not report it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak_mib: Option<f64>,
    /// Executor, device, instruction set and number of threads. On the CPU executor, the same seed with the
    /// same executor and instructions gives the same bits.
    pub executor: ExecutorInfo,
}

impl Manifest {
    /// Name of the file that holds the key of a training stage in progress.
    pub const KEY: &'static str = "key";
    /// Name of the manifest file.
    pub const FILE: &'static str = "manifest.json";

    /// Digest of stage, version, configuration and inputs: an attempt with the same key can be resumed.
    ///
    /// # Errors
    /// If the configuration cannot be serialised.
    pub fn key(stage: Stage, config: &Value, inputs: &BTreeMap<Stage, String>) -> Result<String> {
        digest_json(&(stage, env!("CARGO_PKG_VERSION"), config, inputs))
    }

    /// Whether the manifest has the version of this program, that configuration and those inputs.
    pub fn is_of(&self, config: &Value, inputs: &BTreeMap<Stage, String>) -> bool {
        self.version == env!("CARGO_PKG_VERSION") && self.config == *config && self.inputs == *inputs
    }

    /// Digest over the names and digests of all files.
    ///
    /// # Errors
    /// Not in practice.
    pub fn digest(&self) -> Result<String> {
        digest_json(&self.outputs)
    }

    /// Names of the recorded files that are missing or changed.
    pub fn damaged(&self, folder: &Path) -> Vec<&str> {
        let holds = |(name, digest): &(&String, &String)| {
            digest_file(&folder.join(name)).is_ok_and(|d| d == **digest)
        };
        self.outputs.iter().filter(|entry| !holds(entry)).map(|(name, _)| name.as_str()).collect()
    }

    /// Writes the file.
    ///
    /// # Errors
    /// If writing fails.
    pub fn save(&self, path: &Path) -> Result<()> {
        Ok(write_file(path, &serde_json::to_vec_pretty(self)?)?)
    }

    /// Reads the file.
    ///
    /// # Errors
    /// If the file is missing or not valid.
    pub fn load(path: &Path) -> Result<Self> {
        let text = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_slice(&text).with_context(|| format!("{} is not valid", path.display()))
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "what serde passes")]
pub(crate) const fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// SHA-256 of every file in a folder, by name, without the manifest and the key.
///
/// # Errors
/// If a file cannot be read.
pub(crate) fn outputs_in(folder: &Path) -> Result<BTreeMap<String, String>> {
    let mut outputs = BTreeMap::new();
    digest_folder(folder, folder, &mut outputs)?;
    outputs.remove(Manifest::KEY);
    outputs.remove(Manifest::FILE);
    Ok(outputs)
}

fn digest_folder(root: &Path, folder: &Path, outputs: &mut BTreeMap<String, String>) -> Result<()> {
    for entry in std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            digest_folder(root, &path, outputs)?;
        } else if let Ok(name) = path.strip_prefix(root) {
            outputs.insert(name.to_string_lossy().into_owned(), digest_file(&path)?);
        }
    }
    Ok(())
}
