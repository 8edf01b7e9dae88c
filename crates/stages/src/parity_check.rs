//! [`check_parity`], [`confirm_parity`] and [`ultralytics_parity`]: compare an exported file with its
//! checkpoint.
//!
//! Two pictures go through the checkpoint, run by Bonsai's executor, and through the file: an ONNX file is run
//! by `rten`, which shares no code with the executor, a `.pt` file is read back and run by the executor. The
//! limits depend on the arithmetic of the file.

use std::path::Path;

use anyhow::{Context, Result};
use bonsai_checkpoint::{Array, Checkpoint, write_file};
use bonsai_data::{Letterbox, Split, decode, shapes, write_planes};
use bonsai_detector::{Detector, LoadOptions, Outputs, Runtime};
use bonsai_graph::Size;
use bonsai_onnx::OnnxInfo;
use bonsai_yolov8::{NmsOptions, Predictions};

use crate::machine::host_executor;
use crate::{Parity, ParityLimits};

/// Number of pictures that are compared.
const IMAGES: usize = 2;
/// Minimum number of boxes to compare, for a file with its own suppression.
const SOME: usize = 20;

/// Runs a file and the checkpoint that it was exported from on the same pictures: the first of `split`, or
/// drawn ones. An 8-bit file needs pictures like those of its calibration, because in others the values of a
/// wire may exceed its range. `suppression` must be the settings with which a file with its own suppression
/// was exported.
///
/// # Errors
/// If the runtime cannot run the file, the checkpoint cannot run at the file's size, or an image cannot be
/// read.
pub fn check_parity(
    checkpoint: &Checkpoint,
    onnx: &Path,
    suppression: &NmsOptions,
    split: Option<&Split>,
) -> Result<Parity> {
    let info = OnnxInfo::open(onnx)?;
    let limits = ParityLimits::from_info(&info);
    let options = LoadOptions { runtime: Some(Runtime::Rten), ..LoadOptions::default() };
    let mut theirs = Detector::load(onnx, options.clone())?;
    // Running the checkpoint does not need its training state.
    let checkpoint = Checkpoint { train: None, ..checkpoint.clone() };
    let mut ours = Detector::from_checkpoint(checkpoint, host_executor())?;
    let side = theirs.imgsz();
    let size = theirs.fixed_size().unwrap_or(Size::square(side));
    let images = pictures(size, split)?;
    let expected = ours.predict(&images).context("cannot run the checkpoint for comparison")?;
    let suppresses = info.op_counts.contains_key("NonMaxSuppression");
    let confidence = suppresses.then(|| something_above(&expected, suppression.confidence));
    if confidence.is_some_and(|confidence| confidence < suppression.confidence) {
        theirs = Detector::load(onnx, LoadOptions { suppress_above: confidence, ..options })?;
    }
    let suppression =
        &NmsOptions { confidence: confidence.unwrap_or(suppression.confidence), ..*suppression };
    let found = theirs.run(&images).with_context(|| format!("cannot run {}", onnx.display()))?;
    let mut parity = Parity::new(Runtime::Rten.to_string(), IMAGES, size, limits);
    parity.confidence = confidence;
    match &found {
        Outputs::Predictions(found) => parity.compare(found, &expected)?,
        Outputs::Detections(found) => {
            for (found, expected) in found.iter().zip(expected.images()) {
                parity.hold(found, &expected, suppression);
            }
        }
    }
    parity.apply_limits();
    Ok(parity)
}

/// Reads the content of a `.pt` file back and compares its outputs with those of the checkpoint, on drawn
/// pictures of the checkpoint's size.
///
/// # Errors
/// If the content cannot be read, a network cannot be run, or the outputs differ by more than
/// [`ParityLimits::FP32`].
pub fn ultralytics_parity(checkpoint: &Checkpoint, content: &[u8]) -> Result<Parity> {
    let written = Checkpoint::import_bytes(content).context("the `.pt` file cannot be read back")?;
    let mut theirs = Detector::from_checkpoint(written, host_executor())?;
    let mut ours = Detector::from_checkpoint(checkpoint.without_codes(), host_executor())?;
    let size = Size::square(ours.imgsz());
    let images = pictures(size, None)?;
    let run =
        |detector: &mut Detector| detector.predict(&images).context("cannot run the network for comparison");
    let mut parity = Parity::new("Bonsai, from the file".to_owned(), IMAGES, size, ParityLimits::FP32);
    parity.compare(&run(&mut theirs)?, &run(&mut ours)?)?;
    parity.apply_limits();
    anyhow::ensure!(
        parity.agrees,
        "the outputs of the `.pt` file differ from those of its checkpoint: boxes by up to {}, scores by up to {} (limit \
         {}); the file was not written",
        parity.box_difference(),
        parity.worst_score,
        parity.limits.score
    );
    Ok(parity)
}

/// As [`check_parity`], and writes the result next to the file. A file beyond the limits is an error, but is
/// kept for inspection. For an 8-bit file, `agrees` is false instead, and the caller must warn.
///
/// # Errors
/// As [`check_parity`], and if the file is not within limits that [refuse](ParityLimits::refuses) it.
pub fn confirm_parity(
    checkpoint: &Checkpoint,
    onnx: &Path,
    suppression: &NmsOptions,
    split: Option<&Split>,
) -> Result<Parity> {
    let parity = check_parity(checkpoint, onnx, suppression, split)?;
    let report = Parity::path(onnx);
    write_file(&report, &serde_json::to_vec_pretty(&parity)?)?;
    anyhow::ensure!(parity.agrees || !parity.limits.refuses(), "{}", parity.refusal(onnx));
    Ok(parity)
}

/// The confidence, or a lower one that at least [`SOME`] boxes exceed, or 0.
fn something_above(expected: &Predictions, confidence: f32) -> f32 {
    let mut scores: Vec<f32> =
        expected.images().flat_map(|i| i.best().map(|(_, s)| s).collect::<Vec<_>>()).collect();
    scores.sort_unstable_by(|a, b| b.total_cmp(a));
    // Halfway between two scores, so that rounding moves no score across it.
    match scores.get(SOME - 1..=SOME) {
        Some(&[last, next]) => confidence.min(f32::midpoint(last, next)),
        _ => confidence.min(0.0),
    }
}

/// Pictures with this height and width, `[2, 3, h, w]`: the first of `split`, and drawn ones if it has too
/// few.
fn pictures(Size { height: h, width: w }: Size, split: Option<&Split>) -> Result<Array> {
    let mut images = Array::zeros(&[IMAGES, 3, h, w]);
    // The sides are far below the limit of 32 bits.
    let square = Letterbox::square(h.max(w) as u32);
    let letterbox = Letterbox { width: w as u32, height: h as u32, ..square };
    let samples = split.map_or(&[][..], |split| &split.samples);
    for (index, planes) in images.data_mut().chunks_exact_mut(3 * h * w).enumerate() {
        let picture = match samples.get(index) {
            Some(sample) => decode(&sample.image_path)?,
            // `shapes` draws only these sizes.
            None => shapes::sample(1 + index as u64, h.max(w).clamp(32, 4096)).0,
        };
        write_planes(&letterbox.apply(&picture).0, planes);
    }
    Ok(images)
}
