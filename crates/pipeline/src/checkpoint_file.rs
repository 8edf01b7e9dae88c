//! Opening what a network can be trained, pruned or exported from.

use std::path::Path;

use anyhow::{Result, bail};
use bonsai_checkpoint::Checkpoint;

use crate::jobs::is_onnx;

/// A checkpoint, CPU engine, `.pt` or state dict.
///
/// # Errors
/// If it is none, in particular if it is an ONNX file: that can be run, but its layers cannot be told apart any more.
pub(crate) fn open_checkpoint(path: &Path) -> Result<Checkpoint> {
    if is_onnx(path) {
        bail!(
            "{} is an ONNX file, which can only be run; pass the checkpoint that it was exported from",
            path.display()
        );
    }
    Ok(Checkpoint::open(path)?)
}
