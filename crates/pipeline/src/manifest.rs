//! What a stage was made from and what it made, as digests.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::path::Path;

use anyhow::{Context, Result};
use bonsai_checkpoint::write_file;
use bonsai_exec::ExecutorInfo;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{RunDir, Stage};

/// The record of a completed stage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Which stage.
    pub stage: Stage,
    /// Version of this program.
    pub version: String,
    /// Digest of configuration and inputs: a stage with this key needs no other run.
    pub key: String,
    /// SHA-256 of every file made, by name.
    pub outputs: BTreeMap<String, String>,
    /// Wall-clock seconds it took.
    pub seconds: f64,
    /// Most resident memory while it ran, in MiB, where the system tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak_mib: Option<f64>,
    /// What ran the network, in stages that run one. The same seed with the same executor and instructions gives the
    /// same bits on the CPU executor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub executor: Option<ExecutorInfo>,
}

impl Manifest {
    /// Name of the file.
    pub const FILE: &'static str = "manifest.json";

    /// The key of a stage: its configuration and what earlier stages made.
    ///
    /// # Errors
    /// If the configuration cannot be serialised.
    pub fn key(stage: Stage, config: &impl Serialize, inputs: &[&Self]) -> Result<String> {
        let outputs: Vec<_> = inputs.iter().map(|m| (m.stage, &m.outputs)).collect();
        digest_json(&(stage, env!("CARGO_PKG_VERSION"), config, outputs))
    }

    /// Records a folder: every file in it by digest.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub fn of(stage: Stage, key: String, folder: &Path, seconds: f64) -> Result<Self> {
        let mut outputs = BTreeMap::new();
        digest_folder(folder, folder, &mut outputs)?;
        let version = env!("CARGO_PKG_VERSION").to_owned();
        outputs.remove(RunDir::KEY);
        Ok(Self { stage, version, key, outputs, seconds, peak_mib: None, executor: None })
    }

    /// Whether every recorded file is there, unchanged.
    pub fn outputs_hold(&self, folder: &Path) -> bool {
        self.outputs.iter().all(|(name, digest)| digest_file(&folder.join(name)).is_ok_and(|d| d == *digest))
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

/// SHA-256 of a file, in hexadecimal.
///
/// # Errors
/// If it cannot be read.
pub fn digest_file(path: &Path) -> Result<String> {
    let mut file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        let n = std::io::Read::read(&mut file, &mut buffer)?;
        if n == 0 {
            return Ok(hex(&hasher.finalize()));
        }
        hasher.update(&buffer[..n]);
    }
}

/// SHA-256 of a value's JSON, in hexadecimal.
///
/// # Errors
/// If it cannot be serialised.
pub fn digest_json(value: &impl Serialize) -> Result<String> {
    Ok(hex(&Sha256::digest(serde_json::to_vec(value)?)))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, b| {
        let _ = write!(text, "{b:02x}");
        text
    })
}
