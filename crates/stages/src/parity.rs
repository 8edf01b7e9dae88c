//! [`Parity`]: the differences between an exported file and its checkpoint.

use std::path::{Path, PathBuf};

use anyhow::Result;
use bonsai_boxes::{Detection, Xyxy};
use bonsai_graph::Size;
use bonsai_yolov8::{ImagePredictions, NmsOptions, Predictions};
use serde::{Deserialize, Serialize};

use crate::ParityLimits;

/// The differences between a file and its checkpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Parity {
    /// The runtime that ran the file.
    pub reader: String,
    /// Number of pictures.
    pub images: usize,
    /// Size of the pictures.
    pub size: Size,
    /// Number of compared boxes; for a file with its own suppression, of compared objects.
    pub boxes: usize,
    /// Number of compared scores.
    pub scores: usize,
    /// For a file with its own suppression: the confidence threshold of the comparison. It is the file's own
    /// threshold, or a lower one if the pictures have too few boxes above that; the file then ran with the
    /// lower one.
    #[serde(default)]
    pub confidence: Option<f32>,
    /// For a file with its own suppression: objects that match no box of the checkpoint, plus boxes missing
    /// from the objects.
    pub unmatched: usize,
    /// Largest difference of a box, in pixels.
    pub worst_box_px: f32,
    /// Largest difference of a box, as a fraction of its longer side, of the boxes beyond the limit in pixels.
    #[serde(default)]
    pub worst_box_share: f32,
    /// Number of boxes beyond both limits for boxes.
    #[serde(default)]
    pub boxes_beyond: usize,
    /// Largest difference of a score.
    pub worst_score: f32,
    /// The limits.
    pub limits: ParityLimits,
    /// Whether all differences are within the limits.
    pub agrees: bool,
}

impl Parity {
    /// `NAME.parity.json` next to `NAME.onnx`.
    pub fn path(onnx: &Path) -> PathBuf {
        onnx.with_extension("parity.json")
    }
}

impl Parity {
    /// A comparison of nothing yet.
    pub(crate) fn new(reader: String, images: usize, size: Size, limits: ParityLimits) -> Self {
        Self {
            reader,
            images,
            size,
            boxes: 0,
            scores: 0,
            confidence: None,
            unmatched: 0,
            worst_box_px: 0.0,
            worst_box_share: 0.0,
            boxes_beyond: 0,
            worst_score: 0.0,
            limits,
            agrees: false,
        }
    }

    /// Compares the differences so far with the limits.
    pub(crate) fn apply_limits(&mut self) {
        let is_close = self.boxes_beyond == 0 && self.worst_score <= self.limits.score;
        self.agrees = self.unmatched == 0 && is_close;
    }

    /// The largest difference of a box and its limit, as text.
    pub fn box_difference(&self) -> String {
        let Self { worst_box_px, worst_box_share, limits, .. } = self;
        if limits.box_share > 0.0 {
            let share = 100.0 * worst_box_share;
            let most = 100.0 * limits.box_share;
            let of_box = if share > 0.0 { format!(", {share:.0} % of a box") } else { String::new() };
            format!("{worst_box_px:.1} px{of_box} (limit {} px, or {most:.0} % of the box)", limits.box_px)
        } else {
            format!("{worst_box_px:.1e} px (limit {})", limits.box_px)
        }
    }

    /// The error message for a file that is not within the limits.
    pub fn refusal(&self, onnx: &Path) -> String {
        let &Self { worst_score, limits, unmatched, .. } = self;
        format!(
            "the outputs of {} differ from those of its checkpoint: boxes by up to {}, scores by up to {worst_score} \
             (limit {}), {unmatched} objects without a counterpart; see {}",
            onnx.display(),
            self.box_difference(),
            limits.score,
            Self::path(onnx).display()
        )
    }

    /// Compares the raw predictions of a file with those of the checkpoint.
    ///
    /// # Errors
    /// If the shapes differ.
    pub(crate) fn compare(&mut self, found: &Predictions, expected: &Predictions) -> Result<()> {
        let dims = |p: &Predictions| [p.batch(), 4 + p.num_classes(), p.anchors()];
        anyhow::ensure!(
            dims(found) == dims(expected),
            "the file's outputs have the shape {:?}, those of the checkpoint {:?}",
            dims(found),
            dims(expected)
        );
        for (a, e) in found.images().zip(expected.images()) {
            for (a, e) in a.class_planes().zip(e.class_planes()) {
                self.scores += e.len();
                let worst = a.iter().zip(e).map(|(a, e)| (a - e).abs()).fold(0.0, f32::max);
                self.worst_score = self.worst_score.max(worst);
            }
            for (anchor, (_, score)) in e.best().enumerate() {
                if score >= self.limits.least_score {
                    let a = a.bbox(anchor);
                    let e = e.bbox(anchor);
                    let sides = [a.cx - e.cx, a.cy - e.cy, a.w - e.w, a.h - e.h];
                    self.see_box(sides, e.w.max(e.h));
                }
            }
        }
        Ok(())
    }

    /// Compares the objects of a file with its own suppression, in one image, with all boxes that the
    /// checkpoint predicts.
    ///
    /// Each object must match a box of the checkpoint. Each box above the confidence must be one of the
    /// objects or overlap a better one. The objects are not compared with the result of our suppression: if
    /// two boxes overlap by almost exactly the threshold, or two scores are almost equal, rounding decides
    /// which box is suppressed.
    pub(crate) fn hold(
        &mut self,
        found: &[Detection],
        expected: &ImagePredictions<'_>,
        suppression: &NmsOptions,
    ) {
        let planes: Vec<&[f32]> = expected.class_planes().collect();
        let best: Vec<(usize, f32)> = expected.best().collect();
        let boxes: Vec<Xyxy> = (0..best.len()).map(|anchor| Xyxy::from(expected.bbox(anchor))).collect();
        let sides = |a: Xyxy, b: Xyxy| [a.x1 - b.x1, a.y1 - b.y1, a.x2 - b.x2, a.y2 - b.y2];
        let mut taken = vec![false; boxes.len()];
        for object in found {
            let Some(plane) = planes.get(object.class_id) else {
                self.unmatched += 1;
                continue;
            };
            let distance = |anchor: &usize| {
                let far =
                    sides(object.bbox, boxes[*anchor]).iter().fold(0.0f32, |far, side| far.max(side.abs()));
                far + (object.confidence - plane[*anchor]).abs()
            };
            let free = (0..boxes.len()).filter(|anchor| !taken[*anchor]);
            let Some(anchor) = free.min_by(|a, b| distance(a).total_cmp(&distance(b))) else {
                self.unmatched += 1;
                continue;
            };
            taken[anchor] = true;
            self.scores += 1;
            self.worst_score = self.worst_score.max((object.confidence - plane[anchor]).abs());
            let expected = boxes[anchor];
            self.see_box(sides(object.bbox, expected), expected.width().max(expected.height()));
        }
        // A full list of objects may lack any box with a lower score than its last object.
        let full = found.len() >= suppression.max_detections;
        let last = if full { found.iter().map(|o| o.confidence).fold(f32::INFINITY, f32::min) } else { 0.0 };
        let certain = suppression.confidence.max(last) + self.limits.score;
        for anchor in (0..boxes.len()).filter(|anchor| !taken[*anchor] && best[*anchor].1 > certain) {
            let (class_id, score) = best[anchor];
            let least = suppression.iou - self.leeway(boxes[anchor], suppression.iou);
            let hidden = (0..boxes.len()).any(|other| {
                let better = taken[other] && best[other].1 >= score - self.limits.score;
                better && best[other].0 == class_id && boxes[other].iou(boxes[anchor]) > least
            });
            self.unmatched += usize::from(!hidden);
        }
    }

    /// How much the overlap with `bbox` may change if its sides move by the limit.
    fn leeway(&self, bbox: Xyxy, iou: f32) -> f32 {
        let shortest = bbox.width().min(bbox.height()).max(f32::EPSILON);
        (4.0 * self.limits.of_box(bbox.width().max(bbox.height())) / shortest).min(iou / 2.0)
    }

    /// Records the differences of one box with this longer side.
    fn see_box(&mut self, differences: [f32; 4], longer: f32) {
        self.boxes += 1;
        let worst = differences.iter().fold(0.0f32, |worst, d| worst.max(d.abs()));
        self.worst_box_px = self.worst_box_px.max(worst);
        // Below the limit in pixels, the fraction of a tiny box says nothing.
        if worst > self.limits.box_px {
            self.worst_box_share = self.worst_box_share.max(worst / longer.max(f32::EPSILON));
        }
        let is_beyond = worst > self.limits.of_box(longer) || differences.iter().any(|d| d.is_nan());
        self.boxes_beyond += usize::from(is_beyond);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nothing_yet(limits: ParityLimits) -> Parity {
        Parity::new("rten".to_owned(), 1, Size::square(64), limits)
    }

    /// Boxes with sides of 10 px at these x positions, with the scores of two classes.
    fn boxes(places: &[(f32, [f32; 2])]) -> Predictions {
        let rows = places.iter().map(|(x, scores)| [x + 5.0, 5.0, 10.0, 10.0, scores[0], scores[1]]);
        let planes = [0, 1, 2, 3, 4, 5].map(|i| rows.clone().map(|row| row[i]).collect::<Vec<f32>>());
        Predictions::new(1, 2, places.len(), planes.concat()).unwrap()
    }

    fn object(x: f32, confidence: f32, class_id: usize) -> Detection {
        Detection { bbox: Xyxy { x1: x, y1: 0.0, x2: x + 10.0, y2: 10.0 }, confidence, class_id }
    }

    fn held(limits: ParityLimits, found: &[Detection], expected: &Predictions) -> Parity {
        let mut parity = nothing_yet(limits);
        let suppression = NmsOptions { max_detections: 3, ..NmsOptions::PREDICT };
        expected.images().for_each(|image| parity.hold(found, &image, &suppression));
        parity
    }

    #[test]
    fn objects_are_boxes_of_the_checkpoint() {
        let expected = boxes(&[(0.0, [0.9, 0.7]), (30.0, [0.8, 0.1]), (60.0, [0.1, 0.7])]);
        let found = [object(0.0, 0.9, 0), object(30.5, 0.8, 0), object(60.0, 0.6, 1)];
        let parity = held(ParityLimits::FP32, &found, &expected);
        assert_eq!((parity.boxes, parity.scores, parity.unmatched, parity.worst_box_px), (3, 3, 0, 0.5));
        assert!((parity.worst_score - 0.1).abs() < 1e-6);
        // The same box is not two objects.
        let parity = held(ParityLimits::FP32, &[object(0.0, 0.9, 0); 2], &expected);
        assert_eq!((parity.worst_box_px, parity.unmatched), (30.0, 1));
        assert_eq!(held(ParityLimits::FP32, &[object(0.0, 0.9, 2)], &boxes(&[])).unmatched, 1);
    }

    #[test]
    fn a_box_is_missing_unless_a_better_one_hides_it() {
        // The second overlaps the first by 9/11, the third by 2/3; the last is of another class.
        let expected = boxes(&[(0.0, [0.9, 0.0]), (1.0, [0.8, 0.0]), (3.0, [0.7, 0.0]), (1.0, [0.0, 0.6])]);
        let [first, third, other] = [object(0.0, 0.9, 0), object(3.0, 0.7, 0), object(1.0, 0.6, 1)];
        let unmatched = |found: &[Detection]| held(ParityLimits::FP32, found, &expected).unmatched;
        assert_eq!(unmatched(&[first, third, other]), 0);
        assert_eq!(unmatched(&[first, other]), 1);
        // The box that would hide the second is missing too.
        assert_eq!(unmatched(&[third, other]), 2);
        assert_eq!(unmatched(&[first, third]), 1);
    }

    #[test]
    fn only_boxes_clearly_above_the_threshold_count_as_missing() {
        // The limit for scores is 0.03 here; three objects are a full list.
        let unmatched = |found: &[Detection], expected| held(ParityLimits::HALF, found, &expected).unmatched;
        assert_eq!(unmatched(&[], boxes(&[(60.0, [0.27, 0.0]), (90.0, [0.5, 0.0])])), 1);
        let full = [object(0.0, 0.9, 0), object(30.0, 0.8, 0), object(60.0, 0.7, 0)];
        let places = |fourth| {
            boxes(&[(0.0, [0.9, 0.0]), (30.0, [0.8, 0.0]), (60.0, [0.7, 0.0]), (90.0, [fourth, 0.0])])
        };
        assert_eq!(unmatched(&full, places(0.72)), 0);
        assert_eq!(unmatched(&full, places(0.75)), 1);
    }

    #[test]
    fn anchors_are_compared_above_the_least_score() {
        let planes = |cx: f32, low: f32| {
            Predictions::new(1, 1, 2, vec![cx, low, 5.0, 5.0, 4.0, 4.0, 4.0, 4.0, 0.8, 0.1]).unwrap()
        };
        let mut exact = nothing_yet(ParityLimits::FP32);
        exact.compare(&planes(5.5, 7.0), &planes(5.0, 5.0)).unwrap();
        assert_eq!((exact.boxes, exact.scores, exact.worst_box_px), (2, 2, 2.0));
        let mut seen = nothing_yet(ParityLimits::INT8);
        seen.compare(&planes(5.5, 7.0), &planes(5.0, 5.0)).unwrap();
        assert_eq!((seen.boxes, seen.scores, seen.worst_box_px), (1, 2, 0.5));
        // Half a pixel is an eighth of this box, but within the limit of 4 px.
        assert_eq!((seen.worst_box_share, seen.boxes_beyond), (0.0, 0));
        let other = Predictions::new(1, 2, 1, vec![0.0; 6]).unwrap();
        assert!(seen.compare(&other, &planes(0.0, 0.0)).is_err());
    }

    #[test]
    fn a_large_box_may_be_off_by_a_part_of_its_size() {
        let large = |cx: f32| Predictions::new(1, 1, 1, vec![cx, 200.0, 160.0, 80.0, 0.9]).unwrap();
        let compared = |limits, cx| {
            let mut parity = nothing_yet(limits);
            parity.compare(&large(cx), &large(200.0)).unwrap();
            parity.apply_limits();
            (parity.boxes_beyond, parity.agrees, parity.box_difference())
        };
        assert_eq!(compared(ParityLimits::INT8, 239.0).0, 0);
        let (beyond, agrees, text) = compared(ParityLimits::INT8, 242.0);
        assert_eq!((beyond, agrees), (1, false));
        assert_eq!(text, "42.0 px, 26 % of a box (limit 4 px, or 25 % of the box)");
        assert!(!compared(ParityLimits::HALF, 205.0).1);
        assert!(!compared(ParityLimits::INT8, f32::NAN).1);
    }
}
