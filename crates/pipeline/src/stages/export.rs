//! ONNX.

use anyhow::Result;
use bonsai_checkpoint::Checkpoint;
use bonsai_onnx::{ExportOptions, OnnxModel, export};

/// The folded network with its decode.
///
/// # Errors
/// If the size does not fit the network, or options exclude each other.
pub fn export_stage(checkpoint: &Checkpoint, options: &ExportOptions) -> Result<OnnxModel> {
    Ok(export(checkpoint, options)?)
}
