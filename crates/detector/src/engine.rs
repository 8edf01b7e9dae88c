//! The CPU engine: one file that is ready to run.
//!
//! It is a checkpoint without batch norm and without training state, so it is smaller, loads faster and is
//! read by the strict reader that every checkpoint goes through. A note in its metadata says that it is one.
//! It holds no kernel choices: those belong to the machine that runs it.

use std::path::Path;

use bonsai_checkpoint::Checkpoint;

use crate::DetectorError;
use crate::origin::Origin;

const KIND: &str = "kind";
const CPU_ENGINE: &str = "cpu-engine";

/// Folds a checkpoint's batch norm and writes it as a CPU engine, whole or not at all.
///
/// Notes such as `imgsz` are kept; training state is dropped. Equal checkpoints give equal bytes.
///
/// # Errors
/// [`DetectorError::Checkpoint`] with the path if it cannot be written.
pub fn write_engine(checkpoint: &Checkpoint, path: &Path) -> Result<(), DetectorError> {
    let mut engine = checkpoint.clone().fold_batch_norm()?;
    engine.metadata.insert(KIND.to_owned(), CPU_ENGINE.to_owned());
    Ok(engine.save(path)?)
}

pub(crate) fn origin(checkpoint: &Checkpoint) -> Origin {
    match checkpoint.metadata.get(KIND).map(String::as_str) {
        Some(CPU_ENGINE) => Origin::CpuEngine,
        _ => Origin::Checkpoint,
    }
}
