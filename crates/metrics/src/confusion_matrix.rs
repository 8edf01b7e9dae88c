//! Which class is taken for which, and which objects are missed or made up.
//!
//! Detections of all classes are paired with labels of all classes by overlap alone, at most one to one.
//! A pair counts in the cell of its two classes; what is left over counts against the background.
//! Every label and every confident detection counts exactly once, so a class's column sums to its labels and
//! its row to its detections.
//!
//! Invariant: the order of the images changes nothing.

use bonsai_boxes::{Detection, GroundTruth};
use thiserror::Error;

use crate::{Matching, Protocol};

/// Detections must be more confident than this to count.
const CONFIDENCE: f32 = 0.25;

/// A detection and a label must overlap more than this to be a pair.
const OVERLAP: f32 = 0.45;

/// A class that the matrix has no row for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "class {class_id} in a confusion matrix of {num_classes} classes, counted from 0; \
     make it for as many classes as the model or the dataset has, whichever has more"
)]
pub struct ClassOutOfRange {
    /// The class that was met.
    pub class_id: usize,
    /// How many the matrix was made for.
    pub num_classes: usize,
}

/// Counts of (predicted, true) classes with a last row and column for the background.
///
/// Only detections above a confidence of 0.25 count, and pairs overlap by more than 0.45, as in Ultralytics.
/// Like the matching behind mAP, the pairing changed between releases, and a [`Protocol`] says which is meant.
/// With [`Matching::BestLabel`] (8.0 to 8.3), a detection wants the label that it overlaps most, and a label
/// takes the claim that overlaps most; with [`Matching::Greedy`] (8.4), by falling confidence, every detection
/// takes the best label that is still free.
///
/// One thing is not copied: 8.0.90 forgets the false detections of an image in which nothing was paired.
/// They count here, as they do in the releases since.
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
/// assert_eq!(matrix.count(1, 0), 1); // a 0 was taken for a 1
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

    /// An empty matrix with the pairing that goes with `protocol`.
    pub fn with_protocol(num_classes: usize, protocol: Protocol) -> Self {
        let side = num_classes + 1;
        Self { matching: protocol.matching, num_classes, counts: vec![0; side * side] }
    }

    /// Adds one image: what was detected, in any order, and what is there.
    ///
    /// Boxes are corners in one unit for both. A detection whose confidence is not a number is left out.
    ///
    /// # Errors
    /// If a label or a confident detection has a class without a row; nothing of the image is counted then.
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

    /// How often `predicted` was said where `actual` is; [`Self::background`] stands for nothing.
    ///
    /// # Panics
    /// If one of them is above [`Self::background`].
    pub fn count(&self, predicted: usize, actual: usize) -> u64 {
        self.counts()[self.cell(predicted, actual)]
    }

    /// All counts, row by row: rows are predicted, columns true classes, the last of each is the background.
    /// Its length is (classes + 1) squared.
    pub fn counts(&self) -> &[u64] {
        &self.counts
    }

    /// The share of each true class that was taken for each predicted one, laid out as [`Self::counts`].
    ///
    /// Each column sums to 1, or is 0 throughout if its class never occurred.
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

    /// The number of classes, without the background.
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

/// For each label, the claim that overlaps it most; a detection claims the one label that it overlaps most.
///
/// Of equal overlaps the last counts, as in the original's reversed sort.
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

/// For each label, the detection that took it: by falling confidence, each takes the best that is free.
///
/// Of equal confidences and of equal overlaps the first counts.
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
