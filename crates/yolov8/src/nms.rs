//! Non-maximum suppression: from a prediction per anchor to objects.
//!
//! Idea: candidates over the confidence threshold are taken in order of confidence; one is dropped if a kept
//! one of its class overlaps it by more than the `IoU` threshold. Only the kept are compared with, and the
//! walk ends when enough are kept, so the cost is candidates x `max_detections` at worst. The settings and
//! the order of steps are Ultralytics'; there is no time limit (theirs drops the remaining images of a
//! batch).
//!
//! Boxes stay in pixels of the network's input; undoing the letterbox is the caller's.

use bonsai_boxes::{Detection, Xyxy};
use rayon::prelude::*;

use crate::decode::{ImagePredictions, Predictions};

/// Ultralytics shifts the boxes of class c by c times this many pixels, to suppress all classes in one call.
/// Only boxes of one class are compared here, but shifted all the same: in f32 the shift rounds the corners
/// (to 1/16 px for class 79), and detections are to be those that Ultralytics finds.
const CLASS_SHIFT: f32 = 7680.0;

/// Settings of the suppression.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NmsConfig {
    /// A score must be above this.
    pub confidence: f32,
    /// A box goes if a better one of its class has an `IoU` above this with it.
    pub iou: f32,
    /// Whether an anchor may give a detection for each class (with one class it makes no difference), or only
    /// for its best.
    pub multi_label: bool,
    /// Candidates per image that are looked at, the most confident.
    pub max_candidates: usize,
    /// Detections per image.
    pub max_detections: usize,
}

impl NmsConfig {
    /// For mAP: all classes of an anchor, down to a confidence of 0.001, `IoU` 0.7.
    pub const VALIDATION: Self =
        Self { confidence: 0.001, iou: 0.7, multi_label: true, max_candidates: 30_000, max_detections: 300 };
    /// For use: the best class of an anchor, from a confidence of 0.25, `IoU` 0.7.
    pub const PREDICT: Self = Self { confidence: 0.25, multi_label: false, ..Self::VALIDATION };
}

#[derive(Debug, Clone, Copy)]
struct Candidate {
    confidence: f32,
    anchor: usize,
    class_id: usize,
}

/// The objects of every image, most confident first; equals by anchor, then class.
///
/// Scores that are NaN are below every threshold.
pub fn nms(predictions: &Predictions, config: &NmsConfig) -> Vec<Vec<Detection>> {
    let images: Vec<_> = predictions.images().collect();
    images.into_par_iter().map(|image| nms_image(image, predictions.num_classes(), config)).collect()
}

fn nms_image(image: ImagePredictions, num_classes: usize, config: &NmsConfig) -> Vec<Detection> {
    let mut kept_by_class: Vec<Vec<Xyxy>> = vec![Vec::new(); num_classes];
    let mut detections = Vec::new();
    for Candidate { confidence, anchor, class_id } in candidates(image, config) {
        if detections.len() == config.max_detections {
            break;
        }
        let bbox = Xyxy::from(image.bbox(anchor));
        let shift = class_id as f32 * CLASS_SHIFT;
        let shifted =
            Xyxy { x1: bbox.x1 + shift, y1: bbox.y1 + shift, x2: bbox.x2 + shift, y2: bbox.y2 + shift };
        let kept = &mut kept_by_class[class_id];
        if !kept.iter().any(|k| k.iou(shifted) > config.iou) {
            kept.push(shifted);
            detections.push(Detection { bbox, confidence, class_id });
        }
    }
    detections
}

/// The most confident candidates, sorted.
fn candidates(image: ImagePredictions, config: &NmsConfig) -> Vec<Candidate> {
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
