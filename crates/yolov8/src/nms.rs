//! [`nms`]: non-maximum suppression, which turns a prediction per anchor into detections.
//!
//! Candidates above the confidence threshold are visited in order of confidence; a candidate is dropped if a
//! kept one of its class (of any class, with `agnostic`) overlaps it by more than the `IoU` threshold. Candidates are compared only with kept
//! ones, and the loop ends when enough are kept, so the cost is at most candidates x `max_detections`. The
//! settings and the order of steps are those of Ultralytics, but without its time limit (which drops the
//! remaining images of a batch).
//!
//! Boxes are in pixels of the network's input; the caller undoes the letterbox.

use bonsai_boxes::{Detection, Xyxy};
use rayon::prelude::*;

use crate::decode::{ImagePredictions, Predictions};

/// Ultralytics shifts the boxes of class c by c times this many pixels, to suppress all classes in one call.
/// This code compares only boxes of one class, but shifts them too: in f32 the shift rounds the corners (to
/// 1/16 px for class 79), and the detections should equal those of Ultralytics.
const CLASS_SHIFT: f32 = 7680.0;

/// Settings of the suppression.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NmsOptions {
    /// A score must be above this threshold.
    pub confidence: f32,
    /// A box is dropped if a better one of its class overlaps it by more than this `IoU`.
    pub iou: f32,
    /// Whether an anchor may give a detection for each class, or only for its best class. Without effect for
    /// a single class.
    pub multi_label: bool,
    /// Whether a box also suppresses boxes of other classes.
    pub agnostic: bool,
    /// Maximum number of candidates per image; the most confident are used.
    pub max_candidates: usize,
    /// Maximum number of detections per image.
    pub max_detections: usize,
}

impl NmsOptions {
    /// For evaluation by mAP: all classes of an anchor, down to a confidence of 0.001, `IoU` 0.7.
    pub const VALIDATION: Self = Self {
        confidence: 0.001,
        iou: 0.7,
        multi_label: true,
        agnostic: false,
        max_candidates: 30_000,
        max_detections: 300,
    };
    /// For prediction: the best class of an anchor, from a confidence of 0.25, `IoU` 0.7.
    pub const PREDICT: Self = Self { confidence: 0.25, multi_label: false, ..Self::VALIDATION };
}

#[derive(Debug, Clone, Copy)]
struct Candidate {
    confidence: f32,
    anchor: usize,
    class_id: usize,
}

/// The detections of every image, most confident first; on a tie, by anchor and then class.
///
/// NaN scores are below every threshold.
pub fn nms(predictions: &Predictions, config: &NmsOptions) -> Vec<Vec<Detection>> {
    let images: Vec<_> = predictions.images().collect();
    images.into_par_iter().map(|image| nms_image(image, predictions.num_classes(), config)).collect()
}

fn nms_image(image: ImagePredictions, num_classes: usize, config: &NmsOptions) -> Vec<Detection> {
    let mut kept_by_class: Vec<Vec<Xyxy>> = vec![Vec::new(); num_classes];
    let mut detections = Vec::new();
    for Candidate { confidence, anchor, class_id } in candidates(image, config) {
        if detections.len() == config.max_detections {
            break;
        }
        let bbox = Xyxy::from(image.bbox(anchor));
        // Without classes, Ultralytics shifts no box.
        let group = if config.agnostic { 0 } else { class_id };
        let shift = group as f32 * CLASS_SHIFT;
        let shifted =
            Xyxy { x1: bbox.x1 + shift, y1: bbox.y1 + shift, x2: bbox.x2 + shift, y2: bbox.y2 + shift };
        let kept = &mut kept_by_class[group];
        if !kept.iter().any(|k| k.iou(shifted) > config.iou) {
            kept.push(shifted);
            detections.push(Detection { bbox, confidence, class_id });
        }
    }
    detections
}

/// The most confident candidates, sorted.
fn candidates(image: ImagePredictions, config: &NmsOptions) -> Vec<Candidate> {
    let mut found = Vec::new();
    if config.multi_label {
        for (class_id, plane) in image.class_planes().enumerate() {
            for (anchor, &confidence) in plane.iter().enumerate() {
                if confidence > config.confidence {
                    found.push(Candidate { confidence, anchor, class_id });
                }
            }
        }
    } else {
        for (anchor, (class_id, confidence)) in image.best().enumerate() {
            if confidence > config.confidence {
                found.push(Candidate { confidence, anchor, class_id });
            }
        }
    }
    let order = |a: &Candidate, b: &Candidate| {
        let ties = (a.anchor, a.class_id).cmp(&(b.anchor, b.class_id));
        b.confidence.total_cmp(&a.confidence).then(ties)
    };
    if found.len() > config.max_candidates {
        found.select_nth_unstable_by(config.max_candidates, order);
        found.truncate(config.max_candidates);
    }
    found.sort_unstable_by(order);
    found
}
