//! [`write_engine`]: the CPU engine, one file that is ready to run.
//!
//! A CPU engine is a checkpoint without batch norm and without training state. It is smaller, loads faster
//! and uses the same strict reader as every checkpoint. An entry in its metadata marks it as an engine. It
//! stores no kernel choices, because they depend on the machine that runs it.

use std::path::Path;

use bonsai_checkpoint::Checkpoint;

use crate::DetectorError;
use crate::origin::Origin;

const KIND: &str = "kind";
const CPU_ENGINE: &str = "cpu-engine";

/// Folds a checkpoint's batch norm and writes it atomically as a CPU engine.
///
/// Metadata such as `imgsz` is kept; training state is dropped. Equal checkpoints give equal bytes.
///
/// # Errors
/// [`DetectorError::Checkpoint`] with the path if the file cannot be written.
pub fn write_engine(checkpoint: &Checkpoint, path: impl AsRef<Path>) -> Result<(), DetectorError> {
    let path = path.as_ref();
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
