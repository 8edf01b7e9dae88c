//! How good a detector is on a split.

use anyhow::Result;
use bonsai_checkpoint::Array;
use bonsai_data::Loader;
use bonsai_detector::Detector;
use bonsai_metrics::{DetMetrics, Evaluator};
use bonsai_yolov8::{NmsConfig, nms};

/// Runs every image of `loader` (which must neither shuffle nor augment) and compares with its labels, in pixels of
/// the original images.
///
/// # Errors
/// If the network cannot run.
pub fn evaluate(detector: &mut Detector, loader: &Loader) -> Result<DetMetrics> {
    let mut evaluator = Evaluator::new(detector.class_names().len());
    for batch in loader.epoch(0) {
        let predictions = detector.predict(&Array::new(&batch.shape, batch.images))?;
        let found = nms(&predictions, &NmsConfig::VALIDATION);
        for ((detections, transform), sample) in found.iter().zip(&batch.transforms).zip(&batch.samples) {
            let native: Vec<_> = detections.iter().map(|d| transform.detection_to_native(*d)).collect();
            evaluator.add_image(&native, &loader.split().samples[*sample].ground_truth());
        }
    }
    Ok(evaluator.finish())
}
