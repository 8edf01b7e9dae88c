//! [`import`], [`export()`], [`export_state_dict`] and [`export_ultralytics`]: conversions from one file format to another.

use std::path::Path;

use anyhow::{Context, Result};
use bonsai_checkpoint::{Checkpoint, write_file};
use bonsai_data::SplitKind;
use bonsai_onnx::{ExportOptions, Precision, Quantization};
use bonsai_stages::{
    Calibration, Parity, Progress, RunContext, before_writing, calibrate_stage, confirm_parity,
    open_checkpoint, open_network, open_split, ultralytics_parity,
};
use bonsai_yolov8::NmsOptions;

use super::requirements::data_yaml;
use crate::PipelineConfig;

/// Imports a file from Ultralytics or a state dict as a checkpoint; also returns notes on what the import
/// assumed or found.
///
/// # Errors
/// If the file cannot be imported, with the module or the position; or if `out` cannot be written.
pub fn import(file: &Path, out: &Path) -> Result<(Checkpoint, Vec<String>)> {
    before_writing(&[file], &[out])?;
    let (checkpoint, notes) = Checkpoint::import_with_notes(file)?;
    checkpoint.save(out)?;
    Ok((checkpoint, notes))
}

/// Writes a checkpoint file as a state dict in safetensors, with Ultralytics' names.
///
/// # Errors
/// If a file cannot be read or written.
pub fn export_state_dict(weights: &Path, out: &Path) -> Result<()> {
    before_writing(&[weights], &[out])?;
    Ok(open_checkpoint(weights)?.save_state_dict(out)?)
}

/// A `.pt` file for Ultralytics that was written.
#[derive(Debug, Clone, PartialEq)]
pub struct UltralyticsExport {
    /// Differences between the outputs of the file, read back, and those of the checkpoint.
    pub parity: Parity,
    /// As [`UltralyticsFile::added_channels`](bonsai_checkpoint::UltralyticsFile::added_channels).
    pub added_channels: usize,
    /// As [`UltralyticsFile::was_folded`](bonsai_checkpoint::UltralyticsFile::was_folded).
    pub was_folded: bool,
    /// As [`UltralyticsFile::can_be_rebuilt`](bonsai_checkpoint::UltralyticsFile::can_be_rebuilt).
    pub can_be_rebuilt: bool,
    /// Whether the checkpoint has 8-bit codes, which the file does not have.
    pub leaves_codes_out: bool,
}

/// Writes a checkpoint file as the `.pt` file that Ultralytics loads, after its content was read back and its
/// outputs were compared with those of the checkpoint.
///
/// # Errors
/// If a file cannot be read or written, if the network is not of Ultralytics' modules, or if the outputs differ.
pub fn export_ultralytics(weights: &Path, out: &Path) -> Result<UltralyticsExport> {
    before_writing(&[weights], &[out])?;
    let checkpoint = open_checkpoint(weights)?;
    let file = checkpoint.to_ultralytics()?;
    let parity = ultralytics_parity(&checkpoint, &file.bytes)?;
    write_file(out, &file.bytes)?;
    Ok(UltralyticsExport {
        parity,
        added_channels: file.added_channels,
        was_folded: file.was_folded,
        can_be_rebuilt: file.can_be_rebuilt,
        leaves_codes_out: checkpoint.quantization.is_some(),
    })
}

/// Writes a checkpoint file as ONNX, and how far its outputs are from the checkpoint to `NAME.parity.json`.
/// With `calibration`, the file is in 8-bit integers, with ranges measured on images of `config.data`.
///
/// # Errors
/// As the stages and [`confirm_parity`], or if calibration is wanted and there is no dataset.
pub fn export(
    config: &PipelineConfig,
    weights: &Path,
    out: &Path,
    options: &ExportOptions,
    calibration: Option<&Calibration>,
    progress: &mut dyn Progress,
) -> Result<Parity> {
    before_writing(&[weights], &[out, &Parity::path(out)])?;
    let checkpoint = open_network(weights)?;
    let mut options = options.clone();
    let mut calibrated_on = None;
    if let Some(calibration) = calibration {
        options.precision = Precision::Int8(Quantization::default());
        // Check the options before images are run.
        options.check()?;
        let yaml = data_yaml(config).context("int8 is calibrated on images")?;
        let split = open_split(yaml, SplitKind::Train, progress)?;
        // The loader makes square images; the ranges hardly depend on the shape of the image.
        let context = RunContext { imgsz: options.imgsz.longer_side(), ..config.run_context()? };
        options.precision = Precision::Int8(calibrate_stage(&checkpoint, calibration, &split, &context)?);
        calibrated_on = Some(split);
    }
    bonsai_onnx::export(&checkpoint, &options)?.save(out)?;
    let suppression = options.nms.as_ref().map_or(NmsOptions::PREDICT, |nms| NmsOptions {
        confidence: nms.confidence,
        iou: nms.iou,
        max_detections: nms.max_detections,
        ..NmsOptions::PREDICT
    });
    confirm_parity(&checkpoint, out, &suppression, calibrated_on.as_ref())
}
