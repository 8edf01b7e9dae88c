//! What an image says of each class: how many labels, and which detections are right.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use bonsai_boxes::{Detection, GroundTruth, Xyxy};
use serde::{Deserialize, Serialize};

use crate::Matching;
use crate::matching::{Hits, match_boxes};

/// What is known of one class so far.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct ClassTally {
    pub(crate) instances: usize,
    pub(crate) detections: Vec<(f32, Hits)>,
}

/// Order of a ranking: by falling confidence. Of equal confidences the wrong one goes first: the order of images must not
/// matter, and a tie not flatter.
pub(crate) fn by_rank(a: (f32, Hits), b: (f32, Hits)) -> Ordering {
    b.0.total_cmp(&a.0).then(a.1.cmp(&b.1))
}

/// The classes of one image. A detection whose confidence is not a number is left out.
pub(crate) fn tally_image(
    rule: Matching,
    detections: &[Detection],
    labels: &[GroundTruth],
) -> BTreeMap<usize, ClassTally> {
    let mut by_class: BTreeMap<usize, (Vec<&Detection>, Vec<Xyxy>)> = BTreeMap::new();
    for detection in detections.iter().filter(|d| !d.confidence.is_nan()) {
        by_class.entry(detection.class_id).or_default().0.push(detection);
    }
    for label in labels {
        by_class.entry(label.class_id).or_default().1.push(label.bbox);
    }
    let tally = |(class_id, (mut found, truth)): (usize, (Vec<&Detection>, Vec<Xyxy>))| {
        // Stable: detections of equal confidence keep the caller's order within their image.
        found.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
        let boxes: Vec<Xyxy> = found.iter().map(|d| d.bbox).collect();
        let hits = match_boxes(rule, &boxes, &truth);
        let detections = found.iter().map(|d| d.confidence).zip(hits).collect();
        (class_id, ClassTally { instances: truth.len(), detections })
    };
    by_class.into_iter().map(tally).collect()
}
