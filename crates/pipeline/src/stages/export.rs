//! ONNX.

use anyhow::Result;
use bonsai_checkpoint::Checkpoint;
use bonsai_onnx::{ExportOptions, OnnxModel, export};

/// The folded network with its decode, for square images of `imgsz` pixels.
///
/// # Errors
/// If the size does not fit the network.
pub fn export_stage(checkpoint: &Checkpoint, imgsz: usize) -> Result<OnnxModel> {
    Ok(export(checkpoint, &ExportOptions::new((imgsz, imgsz)))?)
}
