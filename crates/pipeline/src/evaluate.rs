//! How good a detector is on a split.

use std::str::FromStr;

use anyhow::Result;
use bonsai_boxes::{Cxcywh, Detection, GroundTruth, Xyxy};
use bonsai_checkpoint::Array;
use bonsai_data::{LetterboxTransform, Loader, Sample};
use bonsai_detector::Detector;
use bonsai_metrics::{DetMetrics, Evaluator, Protocol};
use bonsai_yolov8::{NmsConfig, nms};

/// Whose figures are to be comparable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Convention {
    /// Ultralytics 8.0: boxes in pixels of the image file, clipped to it.
    Ultralytics80,
    /// Ultralytics 8.4: boxes in pixels of the network's input, as they come; what sticks out of the image counts as wrong
    /// area, so figures are a little lower.
    #[default]
    Ultralytics84,
}

impl FromStr for Convention {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "8.0" => Ok(Self::Ultralytics80),
            "8.4" => Ok(Self::Ultralytics84),
            _ => Err(format!("`{text}` is no convention: use `8.0` or `8.4`")),
        }
    }
}

impl Convention {
    fn protocol(self) -> Protocol {
        match self {
            Self::Ultralytics80 => Protocol::ULTRALYTICS_80,
            Self::Ultralytics84 => Protocol::ULTRALYTICS_84,
        }
    }

    /// Detections and labels of an image, in the same pixels.
    fn boxes(
        self,
        detections: &[Detection],
        sample: &Sample,
        transform: LetterboxTransform,
    ) -> (Vec<Detection>, Vec<GroundTruth>) {
        match self {
            Self::Ultralytics80 => {
                let native = detections.iter().map(|d| transform.detection_to_native(*d)).collect();
                (native, sample.ground_truth())
            }
            Self::Ultralytics84 => {
                let (w, h) = (transform.canvas.0 as f32, transform.canvas.1 as f32);
                let truth = sample.labels.iter().map(|label| {
                    let Cxcywh { cx, cy, w: width, h: height } = transform.label_to_canvas(label.bbox);
                    let bbox = Xyxy::from(Cxcywh { cx: cx * w, cy: cy * h, w: width * w, h: height * h });
                    GroundTruth { bbox, class_id: label.class_id }
                });
                (detections.to_vec(), truth.collect())
            }
        }
    }
}

/// [`evaluate_with`] Ultralytics' settings for validation, figures as of 8.4.
///
/// # Errors
/// If the network cannot run.
pub fn evaluate(detector: &mut Detector, loader: &Loader) -> Result<DetMetrics> {
    evaluate_with(detector, loader, &NmsConfig::VALIDATION, Convention::default())
}

/// Runs every image of `loader` (which must neither shuffle nor augment), suppresses with these settings and compares with
/// the labels.
///
/// # Errors
/// If the network cannot run.
pub fn evaluate_with(
    detector: &mut Detector,
    loader: &Loader,
    suppression: &NmsConfig,
    convention: Convention,
) -> Result<DetMetrics> {
    let mut evaluator = Evaluator::with_protocol(detector.class_names().len(), convention.protocol());
    for batch in loader.epoch(0) {
        let predictions = detector.predict(&Array::new(&batch.shape, batch.images))?;
        let found = nms(&predictions, suppression);
        for ((detections, transform), sample) in found.iter().zip(&batch.transforms).zip(&batch.samples) {
            let (detections, truth) =
                convention.boxes(detections, &loader.split().samples[*sample], *transform);
            evaluator.add_image(&detections, &truth);
        }
    }
    Ok(evaluator.finish())
}
