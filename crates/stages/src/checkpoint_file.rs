//! [`open_checkpoint`] and [`open_network`]: a network from a file of any supported kind.

use std::path::Path;

use anyhow::{Result, bail};
use bonsai_checkpoint::Checkpoint;
use bonsai_detector::FileKind;

/// Opens a network that can be trained, pruned or exported: a checkpoint, CPU engine, `.pt` or state dict.
///
/// # Errors
/// As [`open_network`]; if the network computes in 8-bit codes.
pub fn open_checkpoint(path: &Path) -> Result<Checkpoint> {
    let checkpoint = open_network(path)?;
    if checkpoint.quantization.is_some() {
        bail!(
            "{} is a network in 8-bit codes, expected one in f32: run it, export it, or pass it to `engine`; to train or \
             prune, pass the checkpoint from before the codes; to go on with a training of --qat, use --resume",
            path.display()
        );
    }
    Ok(checkpoint)
}

/// Opens a network that can be run by Bonsai: a checkpoint, CPU engine, `.pt` or state dict.
///
/// # Errors
/// If the file is none of these. An ONNX file can be run, but is refused here because its layers can no
/// longer be identified.
pub fn open_network(path: &Path) -> Result<Checkpoint> {
    if is_onnx(path) {
        bail!(
            "{} is an ONNX file, which can only be run; pass the checkpoint that it was exported from",
            path.display()
        );
    }
    Ok(Checkpoint::open(path)?)
}

/// Whether a file is an ONNX model, by its first bytes; false for any other kind and for a file that cannot
/// be read.
pub fn is_onnx(file: &Path) -> bool {
    FileKind::from_path(file).is_ok_and(|kind| kind == FileKind::Onnx)
}
