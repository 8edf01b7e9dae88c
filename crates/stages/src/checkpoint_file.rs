//! Opening what a network can be trained, pruned or exported from.

use std::path::Path;

use anyhow::{Result, bail};
use bonsai_checkpoint::Checkpoint;
use bonsai_detector::FileKind;

/// A checkpoint, CPU engine, `.pt` or state dict.
///
/// # Errors
/// If it is none, in particular if it is an ONNX file: that can be run, but its layers cannot be told apart any more.
pub fn open_checkpoint(path: &Path) -> Result<Checkpoint> {
    if is_onnx(path) {
        bail!(
            "{} is an ONNX file, which can only be run; pass the checkpoint that it was exported from",
            path.display()
        );
    }
    Ok(Checkpoint::open(path)?)
}

/// Whether a file is an ONNX model, by its first bytes; no other kind, and no file that cannot be read.
pub fn is_onnx(file: &Path) -> bool {
    FileKind::from_path(file).is_ok_and(|kind| kind == FileKind::Onnx)
}
