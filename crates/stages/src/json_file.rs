//! [`save_json`] and [`load_json`]: values as JSON files.

use std::path::Path;

use anyhow::{Context as _, Result};
use bonsai_checkpoint::write_file;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Writes a value as indented JSON, whole or not at all.
///
/// # Errors
/// If the value cannot be serialised or the file cannot be written.
pub fn save_json(path: &Path, value: &impl Serialize) -> Result<()> {
    Ok(write_file(path, &serde_json::to_vec_pretty(value)?)?)
}

/// Reads a value from a JSON file.
///
/// # Errors
/// If the file cannot be read or does not hold such a value; the error names the file.
pub fn load_json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_slice(&bytes).with_context(|| format!("{} is not valid", path.display()))
}
