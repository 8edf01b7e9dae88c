//! Detection metrics: average precision at one and many `IoU` thresholds.
//!
//! An [`Evaluator`] takes the detections and the labels of one image at a time and returns [`DetMetrics`]:
//! mAP50, mAP50-95, precision and recall, overall and per class, as fractions in `0..=1`. The arithmetic is
//! Ultralytics', because published YOLOv8 metrics use it. It changed between releases, so a [`Protocol`] of a
//! [`Matching`] and an [`ApIntegration`] selects one.
//!
//! Two properties of that arithmetic are unexpected, but kept. A perfect detector scores 0.995, because the
//! precision curve is pulled to zero at recall 1, the last of the 101 points. A class without labels is
//! excluded from every mean.
//!
//! Invariant: the result does not depend on the order of the images. On a tie of confidences, false positives
//! rank first, so a tie never improves the result.
//!
//! [`Curves`] are the curves from which the metrics are computed, [`ConfusionMatrix`] counts which classes
//! are confused, and [`CocoEvaluator`] implements COCO's own protocol. [`ImageOutcomes`] of two detectors on
//! the same images show whether one is better than the other, or within noise. This crate reads no files,
//! draws nothing and does not depend on a model.
//!
//! ```
//! use bonsai_boxes::{Detection, GroundTruth, Xyxy};
//! use bonsai_metrics::Evaluator;
//!
//! let bbox = Xyxy { x1: 10.0, y1: 10.0, x2: 50.0, y2: 50.0 };
//! let shifted = Xyxy { x1: 14.0, ..bbox };
//! let mut evaluator = Evaluator::new(2);
//! evaluator.add_image(
//!     &[Detection { bbox: shifted, confidence: 0.9, class_id: 1 }],
//!     &[GroundTruth { bbox, class_id: 1 }],
//! );
//! let metrics = evaluator.finish();
//! assert!((metrics.map50 - 0.995).abs() < 1e-9);
//! assert!(metrics.map50_95 < metrics.map50); // the box is 4 px off: `IoU` 0.9
//! assert_eq!((metrics.images, metrics.instances), (1, 1));
//! assert_eq!(metrics.per_class[0].instances, 0); // class 0 has no labels and is excluded
//! ```

mod average_precision;
mod bootstrap;
mod coco;
mod confusion_matrix;
mod curve;
mod curves;
mod evaluator;
mod interpolation;
mod matching;
mod ranking;
mod tally;

pub use average_precision::ApIntegration;
pub use bootstrap::{Change, ImageOutcomes, PairedChange, RESAMPLES, Unpaired, Verdict};
pub use coco::{CocoDetection, CocoEvaluator, CocoMetrics, CocoTruth};
pub use confusion_matrix::{ClassOutOfRange, ConfusionMatrix};
pub use curve::{Curve, Peak};
pub use curves::{ClassCurves, CurveSet, Curves};
pub use evaluator::{ClassMetrics, DetMetrics, Evaluator, Protocol};
pub use matching::{IOU_THRESHOLDS, Matching};
