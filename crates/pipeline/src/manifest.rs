//! What a stage was made from and what it made, as digests.

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
    /// Which stage.
    pub stage: Stage,
    /// Version of this program.
    pub version: String,
    /// The part of the configuration that it was made from, by the names of the settings.
    pub config: Value,
    /// Digest over everything that each input stage made.
    pub inputs: BTreeMap<Stage, String>,
    /// SHA-256 of every file made, by name.
    pub outputs: BTreeMap<String, String>,
    /// Where all randomness started from.
    pub seed: u64,
    /// When it began, in UTC. For people: nothing is decided by it.
    pub began: String,
    /// Wall-clock seconds it took, with those of interrupted attempts up to where they saved last.
    pub seconds: f64,
    /// How often it was interrupted and went on.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub interruptions: usize,
    /// Processor time it took, in seconds over all threads, counted as `seconds` is; where the system tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_seconds: Option<f64>,
    /// Most resident memory while it ran, in MiB, where the system tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak_mib: Option<f64>,
    /// What runs networks on this machine: executor, device, instruction set, threads. The same seed with the same
    /// executor and instructions gives the same bits on the CPU executor.
    pub executor: ExecutorInfo,
}

impl Manifest {
    /// Name of the file in the folder of a stage that can go on: what it is being made from.
    pub const KEY: &'static str = "key";
    /// Name of the file.
    pub const FILE: &'static str = "manifest.json";

    /// Digest of configuration, version and inputs: a stage with the same one needs no other run.
    ///
    /// # Errors
    /// If the configuration cannot be serialised.
    pub fn key(stage: Stage, config: &Value, inputs: &BTreeMap<Stage, String>) -> Result<String> {
        digest_json(&(stage, env!("CARGO_PKG_VERSION"), config, inputs))
    }

    /// Whether it is of this program's version, that configuration and those inputs.
    pub fn is_of(&self, config: &Value, inputs: &BTreeMap<Stage, String>) -> bool {
        self.version == env!("CARGO_PKG_VERSION") && self.config == *config && self.inputs == *inputs
    }

    /// Digest over every file made.
    ///
    /// # Errors
    /// Not in practice.
    pub fn digest(&self) -> Result<String> {
        digest_json(&self.outputs)
    }

    /// The names of recorded files that are not there, or not as they were.
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
    /// If it is not there or not valid.
    pub fn load(path: &Path) -> Result<Self> {
        let text = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_slice(&text).with_context(|| format!("{} is not valid", path.display()))
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "what serde passes")]
pub(crate) const fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// SHA-256 of every file in a folder, by name; manifest and mark of a stage in progress are no outputs.
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
