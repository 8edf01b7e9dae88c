//! [`ClassTally`]: the number of labels of a class, and which of its detections are true positives.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use bonsai_boxes::{Detection, GroundTruth, Xyxy};
use serde::{Deserialize, Serialize};

use crate::Matching;
use crate::matching::{Hits, match_boxes};

/// The labels and detections of one class so far.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct ClassTally {
    pub(crate) instances: usize,
    pub(crate) detections: Vec<(f32, Hits)>,
}

/// Order of a ranking: by falling confidence. On a tie false positives come first, so that the order of
/// images does not matter and a tie does not improve the result.
pub(crate) fn by_rank(a: (f32, Hits), b: (f32, Hits)) -> Ordering {
    b.0.total_cmp(&a.0).then(a.1.cmp(&b.1))
}

/// The tallies of one image's classes. A detection with a NaN confidence is ignored.
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
        // The sort is stable: detections of equal confidence keep the caller's order within their image.
        found.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
        let boxes: Vec<Xyxy> = found.iter().map(|d| d.bbox).collect();
        let hits = match_boxes(rule, &boxes, &truth);
        let detections = found.iter().map(|d| d.confidence).zip(hits).collect();
        (class_id, ClassTally { instances: truth.len(), detections })
    };
    by_class.into_iter().map(tally).collect()
}
