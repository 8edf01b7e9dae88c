//! [`ConfusionMatrix`]: which classes are confused, and which objects are missed or detected falsely.
//!
//! Detections of all classes are paired with labels of all classes by overlap alone, at most one to one. A
//! pair counts in the cell of its two classes; unpaired detections and labels count against the background.
//! Every label and every confident detection counts exactly once, so a class's column sums to its labels and
//! its row to its detections.
//!
//! Invariant: the result does not depend on the order of the images.

use bonsai_boxes::{Detection, GroundTruth};
use thiserror::Error;

use crate::{Matching, Protocol};

/// Only detections with a higher confidence count.
const CONFIDENCE: f32 = 0.25;

/// Only a detection and a label with a higher overlap can be a pair.
const OVERLAP: f32 = 0.45;

/// A class without a row in the matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "class {class_id} is out of range: the confusion matrix has {num_classes} classes, numbered from 0; \
     create it with the number of classes of the model or the dataset, whichever is larger"
)]
pub struct ClassOutOfRange {
    /// The class of a label or detection.
    pub class_id: usize,
    /// The number of classes of the matrix.
    pub num_classes: usize,
}

/// Counts of (predicted, true) classes with a last row and column for the background.
///
/// Only detections with a confidence above 0.25 count, and pairs overlap by more than 0.45, as in
/// Ultralytics. The pairing changed between releases, like the matching for mAP, and [`Protocol`] selects
/// one. With [`Matching::BestLabel`] (8.0 to 8.3), a detection claims the label that it overlaps most, and a
/// label accepts the claim with the largest overlap. With [`Matching::Greedy`] (8.4), every detection takes
/// the best free label, in order of falling confidence.
///
/// One difference is deliberate: 8.0.90 does not count the false positives of an image without pairs. This
/// matrix counts them, as later releases do.
///
/// ```
/// use bonsai_boxes::{Detection, GroundTruth, Xyxy};
/// use bonsai_metrics::ConfusionMatrix;
///
/// let bbox = Xyxy { x1: 10.0, y1: 10.0, x2: 50.0, y2: 50.0 };
/// let mut matrix = ConfusionMatrix::new(2);
/// let found = Detection { bbox, confidence: 0.9, class_id: 1 };
/// let label = GroundTruth { bbox, class_id: 0 };
/// matrix.add_image(&[found], &[label])?;
/// matrix.add_image(&[], &[label])?;
/// assert_eq!(matrix.count(1, 0), 1); // a 0 was detected as a 1
/// assert_eq!(matrix.count(matrix.background(), 0), 1); // and another was missed
/// assert_eq!(matrix.normalised()[3], 0.5); // row 1, column 0
/// # Ok::<(), bonsai_metrics::ClassOutOfRange>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfusionMatrix {
    matching: Matching,
    num_classes: usize,
    counts: Vec<u64>,
}

impl ConfusionMatrix {
    /// An empty matrix with the pairing of Ultralytics 8.0 to 8.3.
    pub fn new(num_classes: usize) -> Self {
        Self::with_protocol(num_classes, Protocol::default())
    }

    /// An empty matrix with the pairing of `protocol`.
    pub fn with_protocol(num_classes: usize, protocol: Protocol) -> Self {
        let side = num_classes + 1;
        Self { matching: protocol.matching, num_classes, counts: vec![0; side * side] }
    }

    /// Adds one image: its detections, in any order, and its labels.
    ///
    /// Boxes are corners in the same unit for both. A detection with a NaN confidence is ignored.
    ///
    /// # Errors
    /// If a label or a confident detection has a class without a row; then nothing of the image is counted.
    pub fn add_image(
        &mut self,
        detections: &[Detection],
        labels: &[GroundTruth],
    ) -> Result<(), ClassOutOfRange> {
        let found: Vec<&Detection> = detections.iter().filter(|d| d.confidence > CONFIDENCE).collect();
        let mut ids = found.iter().map(|d| d.class_id).chain(labels.iter().map(|l| l.class_id));
        if let Some(class_id) = ids.find(|&id| id >= self.num_classes) {
            return Err(ClassOutOfRange { class_id, num_classes: self.num_classes });
        }
        let claims = match self.matching {
            Matching::BestLabel => by_overlap(&found, labels),
            Matching::Greedy => by_confidence(&found, labels),
        };
        let mut paired = vec![false; found.len()];
        for (label, claim) in labels.iter().zip(claims) {
            let predicted = claim.map_or(self.num_classes, |index| {
                paired[index] = true;
                found[index].class_id
            });
            self.increment(predicted, label.class_id);
        }
        for (detection, _) in found.iter().zip(paired).filter(|(_, paired)| !paired) {
            self.increment(detection.class_id, self.num_classes);
        }
        Ok(())
    }

    /// Number of times that `predicted` was detected where `actual` is; [`Self::background`] means no object.
    ///
    /// # Panics
    /// If an index is above [`Self::background`].
    pub fn count(&self, predicted: usize, actual: usize) -> u64 {
        self.counts()[self.cell(predicted, actual)]
    }

    /// All counts, row by row: rows are predicted classes, columns are true classes, and the last row and
    /// column are the background. The length is (classes + 1) squared.
    pub fn counts(&self) -> &[u64] {
        &self.counts
    }

    /// The fraction of each true class that was detected as each predicted class, in the layout of
    /// [`Self::counts`].
    ///
    /// Each column sums to 1, or is all 0 if its class never occurred.
    pub fn normalised(&self) -> Vec<f64> {
        let side = self.num_classes + 1;
        let mut sums = vec![0u64; side];
        for row in self.counts.chunks_exact(side) {
            for (sum, count) in sums.iter_mut().zip(row) {
                *sum += count;
            }
        }
        let columns = sums.iter().cycle();
        self.counts.iter().zip(columns).map(|(&count, &sum)| count as f64 / sum.max(1) as f64).collect()
    }

    /// Number of classes, without the background.
    pub fn num_classes(&self) -> usize {
        self.num_classes
    }

    /// The index of the background, the last row and column.
    pub fn background(&self) -> usize {
        self.num_classes
    }

    fn cell(&self, predicted: usize, actual: usize) -> usize {
        let side = self.num_classes + 1;
        assert!(
            predicted < side && actual < side,
            "a matrix of {side} rows has no cell ({predicted}, {actual})"
        );
        predicted * side + actual
    }

    fn increment(&mut self, predicted: usize, actual: usize) {
        let cell = self.cell(predicted, actual);
        self.counts[cell] += 1;
    }
}

/// For each label, the claim with the largest overlap; a detection claims the one label that it overlaps
/// most.
///
/// On a tie the last one counts, as in the original's reversed sort.
fn by_overlap(found: &[&Detection], labels: &[GroundTruth]) -> Vec<Option<usize>> {
    let mut claims = vec![(OVERLAP, None); labels.len()];
    for (index, detection) in found.iter().enumerate() {
        let mut best = (OVERLAP, None);
        for (label_index, label) in labels.iter().enumerate() {
            let iou = label.bbox.iou(detection.bbox);
            if iou > OVERLAP && iou >= best.0 {
                best = (iou, Some(label_index));
            }
        }
        if let (iou, Some(label_index)) = best
            && iou >= claims[label_index].0
        {
            claims[label_index] = (iou, Some(index));
        }
    }
    claims.into_iter().map(|(_, claim)| claim).collect()
}

/// For each label, the detection that took it; each detection takes the best free label, by falling
/// confidence.
///
/// On a tie of confidences or of overlaps the first one counts.
fn by_confidence(found: &[&Detection], labels: &[GroundTruth]) -> Vec<Option<usize>> {
    let mut claims = vec![None; labels.len()];
    let mut order: Vec<usize> = (0..found.len()).collect();
    order.sort_by(|&a, &b| found[b].confidence.total_cmp(&found[a].confidence));
    for index in order {
        let mut best = (OVERLAP, None);
        for (label_index, label) in labels.iter().enumerate().filter(|&(i, _)| claims[i].is_none()) {
            let iou = label.bbox.iou(found[index].bbox);
            if iou > best.0 {
                best = (iou, Some(label_index));
            }
        }
        if let (_, Some(label_index)) = best {
            claims[label_index] = Some(index);
        }
    }
    claims
}
