//! Whether an exported file says what its checkpoint says, in a reader that shares no code with our executor.
//!
//! Two pictures go through the checkpoint, run by our executor, and through the file, run by `rten`. What may differ depends
//! on what the file computes with.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use bonsai_boxes::{Detection, Xyxy};
use bonsai_checkpoint::{Array, Checkpoint, write_file};
use bonsai_data::{Letterbox, Split, decode, shapes, write_planes};
use bonsai_detector::{Detector, LoadOptions, Outputs, Runtime};
use bonsai_onnx::OnnxInfo;
use bonsai_yolov8::{ImagePredictions, NmsConfig, Predictions};
use serde::{Deserialize, Serialize};

use crate::machine::host_executor;

/// Pictures that are compared.
const IMAGES: usize = 2;
/// Boxes that there should be to compare, of a file that suppresses by itself.
const SOME: usize = 20;
/// From this score on a box is one that somebody would see; below it, rounding may move it as it likes.
const SEEN: f32 = 0.25;

/// How far a file may be from its checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ParityLimits {
    /// Sides and centres of boxes, in pixels.
    pub box_px: f32,
    /// Scores.
    pub score: f32,
    /// Boxes of a lower score in the checkpoint are not compared; their scores are.
    pub least_score: f32,
}

impl ParityLimits {
    /// The same sums in another order, over some sixty layers: what was measured between five runtimes.
    pub const FP32: Self = Self { box_px: 1e-2, score: 1e-4, least_score: 0.0 };
    /// Eleven bits of a value are kept in every layer: a thousandth of it, which adds up to about a hundredth of a score and,
    /// for a box of hundreds of pixels, to a few of them.
    pub const HALF: Self = Self { box_px: 4.0, score: 0.03, least_score: SEEN };
    /// Eight bits of a wire's range: a value in the middle of it is off by a hundredth. This tells a file that is broken from
    /// one that is coarse; what it costs, only `val` of the file tells, so that being beyond it is a warning.
    pub const INT8: Self = Self { box_px: 48.0, score: 0.35, least_score: SEEN };

    /// Whether a file beyond them is refused.
    pub fn refuses(&self) -> bool {
        *self != Self::INT8
    }

    /// By what the file computes with, as it says itself.
    pub fn from_info(info: &OnnxInfo) -> Self {
        let half = info.inputs.iter().any(|input| input.element == "FLOAT16")
            || info.get("args").is_some_and(|args| args.contains("'half': True"));
        if info.op_counts.contains_key("QuantizeLinear") {
            Self::INT8
        } else if half {
            Self::HALF
        } else {
            Self::FP32
        }
    }
}

/// How far it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Parity {
    /// What ran the file.
    pub reader: String,
    /// Pictures, and their height and width.
    pub images: usize,
    /// Height and width in pixels.
    pub size: (usize, usize),
    /// Boxes that were compared; objects for a file that suppresses by itself.
    pub boxes: usize,
    /// Scores that were compared.
    pub scores: usize,
    /// Of a file that suppresses by itself: the confidence at which it was compared. Its own, or a lower one if there is hardly
    /// a box above that in the pictures: then it ran with the lower one in its place.
    #[serde(default)]
    pub confidence: Option<f32>,
    /// Of a file that suppresses by itself: objects that are no box of the checkpoint, and boxes that should be objects.
    pub unmatched: usize,
    /// Largest difference of a box, in pixels.
    pub worst_box_px: f32,
    /// Largest difference of a score.
    pub worst_score: f32,
    /// What is allowed.
    pub limits: ParityLimits,
    /// Whether it is within the limits.
    pub agrees: bool,
}

impl Parity {
    /// `NAME.parity.json` beside `NAME.onnx`.
    pub fn path(onnx: &Path) -> PathBuf {
        onnx.with_extension("parity.json")
    }
}

/// Runs a file and the checkpoint that it was exported from on the same pictures: the first of `split`, or drawn ones. A
/// file on 8-bit integers is to be given pictures like those of its calibration: in others a wire takes values beyond its
/// range. `suppression` is what a file that suppresses by itself was exported with.
///
/// # Errors
/// If the file is not one that the reader takes, the checkpoint cannot run at its size, or an image cannot be read.
pub fn check_parity(
    checkpoint: &Checkpoint,
    onnx: &Path,
    suppression: &NmsConfig,
    split: Option<&Split>,
) -> Result<Parity> {
    let info = OnnxInfo::open(onnx)?;
    let limits = ParityLimits::from_info(&info);
    let options = LoadOptions { runtime: Some(Runtime::Rten), ..LoadOptions::default() };
    let mut theirs = Detector::load(onnx, options.clone())?;
    // Training state is not needed to run it.
    let checkpoint = Checkpoint { train: None, ..checkpoint.clone() };
    let mut ours = Detector::from_checkpoint(checkpoint, host_executor())?;
    let side = theirs.imgsz();
    let size = theirs.fixed_size().unwrap_or((side, side));
    let images = pictures(size, split)?;
    let expected = ours.predict(&images).context("cannot run the checkpoint for comparison")?;
    let suppresses = info.op_counts.contains_key("NonMaxSuppression");
    let confidence = suppresses.then(|| something_above(&expected, suppression.confidence));
    if confidence.is_some_and(|confidence| confidence < suppression.confidence) {
        theirs = Detector::load(onnx, LoadOptions { suppress_above: confidence, ..options })?;
    }
    let suppression = &NmsConfig { confidence: confidence.unwrap_or(suppression.confidence), ..*suppression };
    let found = theirs.run(&images).with_context(|| format!("cannot run {}", onnx.display()))?;
    let mut parity = Parity {
        reader: Runtime::Rten.to_string(),
        images: IMAGES,
        size,
        boxes: 0,
        scores: 0,
        confidence,
        unmatched: 0,
        worst_box_px: 0.0,
        worst_score: 0.0,
        limits,
        agrees: false,
    };
    match &found {
        Outputs::Predictions(found) => parity.compare(found, &expected)?,
        Outputs::Detections(found) => {
            for (found, expected) in found.iter().zip(expected.images()) {
                parity.hold(found, &expected, suppression);
            }
        }
    }
    parity.agrees =
        parity.unmatched == 0 && parity.worst_box_px <= limits.box_px && parity.worst_score <= limits.score;
    Ok(parity)
}

/// [`check_parity`], written beside the file; a file that says something else is an error, and stays to be looked at.
/// One on 8-bit integers is given back with `agrees` false: its caller says so.
///
/// # Errors
/// As [`check_parity`], and if the file is not within limits that [refuse](ParityLimits::refuses) it.
pub fn confirm_parity(
    checkpoint: &Checkpoint,
    onnx: &Path,
    suppression: &NmsConfig,
    split: Option<&Split>,
) -> Result<Parity> {
    let parity = check_parity(checkpoint, onnx, suppression, split)?;
    let report = Parity::path(onnx);
    write_file(&report, &serde_json::to_vec_pretty(&parity)?)?;
    anyhow::ensure!(parity.agrees || !parity.limits.refuses(), "{}", parity.refusal(onnx));
    Ok(parity)
}

impl Parity {
    /// What is wrong with a file that is not within the limits.
    pub fn refusal(&self, onnx: &Path) -> String {
        let &Self { worst_box_px, worst_score, limits, unmatched, .. } = self;
        format!(
            "{} says something else than its checkpoint: boxes differ by up to {worst_box_px} px (limit {}), scores by up to \
             {worst_score} (limit {}), {unmatched} objects without a counterpart; see {}",
            onnx.display(),
            limits.box_px,
            limits.score,
            Self::path(onnx).display()
        )
    }

    fn compare(&mut self, found: &Predictions, expected: &Predictions) -> Result<()> {
        let dims = |p: &Predictions| [p.batch(), 4 + p.num_classes(), p.anchors()];
        anyhow::ensure!(
            dims(found) == dims(expected),
            "the file gives {:?}, the checkpoint {:?}",
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
                    self.see_box(sides);
                }
            }
        }
        Ok(())
    }

    /// What a file that suppresses by itself found in an image, against all that the checkpoint predicts there.
    ///
    /// Each object is to be a box of the checkpoint, and each box above the confidence one of the objects, or to overlap a
    /// better one of them. It is not held to what our suppression leaves: where two boxes overlap by just about the threshold,
    /// or two scores are about the same, rounding decides which of them goes.
    fn hold(&mut self, found: &[Detection], expected: &ImagePredictions<'_>, suppression: &NmsConfig) {
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
            self.see_box(sides(object.bbox, boxes[anchor]));
        }
        // A full list says nothing of what is less certain than its last.
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

    /// By how much the overlap with that box may be off if sides are off by what is allowed.
    fn leeway(&self, bbox: Xyxy, iou: f32) -> f32 {
        let shortest = bbox.width().min(bbox.height()).max(f32::EPSILON);
        (4.0 * self.limits.box_px / shortest).min(iou / 2.0)
    }

    fn see_box(&mut self, differences: [f32; 4]) {
        self.boxes += 1;
        let worst = differences.iter().fold(0.0f32, |worst, d| worst.max(d.abs()));
        self.worst_box_px = self.worst_box_px.max(worst);
    }
}

/// The confidence, or a lower one above which there are some boxes.
fn something_above(expected: &Predictions, confidence: f32) -> f32 {
    let mut scores: Vec<f32> =
        expected.images().flat_map(|i| i.best().map(|(_, s)| s).collect::<Vec<_>>()).collect();
    scores.sort_unstable_by(|a, b| b.total_cmp(a));
    // Half way between two scores, so that rounding moves none over it.
    match scores.get(SOME - 1..=SOME) {
        Some(&[last, next]) => confidence.min(f32::midpoint(last, next)),
        _ => confidence.min(0.0),
    }
}

/// Pictures at that height and width, `[2, 3, h, w]`: those of `split`, and drawn ones where it has none.
fn pictures((h, w): (usize, usize), split: Option<&Split>) -> Result<Array> {
    let mut images = Array::zeros(&[IMAGES, 3, h, w]);
    // No side comes near what 32 bits hold.
    let square = Letterbox::square(h.max(w) as u32);
    let letterbox = Letterbox { width: w as u32, height: h as u32, ..square };
    let samples = split.map_or(&[][..], |split| &split.samples);
    for (index, planes) in images.data.chunks_exact_mut(3 * h * w).enumerate() {
        let picture = match samples.get(index) {
            Some(sample) => decode(&sample.image_path)?,
            // Pictures are drawn in no other sizes.
            None => shapes::sample(1 + index as u64, h.max(w).clamp(32, 4096)).0,
        };
        write_planes(&letterbox.apply(&picture).0, planes);
    }
    Ok(images)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nothing_yet(limits: ParityLimits) -> Parity {
        Parity {
            reader: "rten".to_owned(),
            images: 1,
            size: (64, 64),
            boxes: 0,
            scores: 0,
            confidence: None,
            unmatched: 0,
            worst_box_px: 0.0,
            worst_score: 0.0,
            limits,
            agrees: false,
        }
    }

    /// Boxes of 10 px side at those places, with the scores of two classes.
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
        let suppression = NmsConfig { max_detections: 3, ..NmsConfig::PREDICT };
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
        // What would hide the second is missing, too.
        assert_eq!(unmatched(&[third, other]), 2);
        assert_eq!(unmatched(&[first, third]), 1);
    }

    #[test]
    fn only_what_is_surely_above_the_threshold_may_not_be_missing() {
        // Limits of scores are 0.03 here; three objects are a full list.
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
    fn anchors_are_compared_where_somebody_would_look() {
        let planes = |cx: f32, low: f32| {
            Predictions::new(1, 1, 2, vec![cx, low, 5.0, 5.0, 4.0, 4.0, 4.0, 4.0, 0.8, 0.1]).unwrap()
        };
        let mut exact = nothing_yet(ParityLimits::FP32);
        exact.compare(&planes(5.5, 7.0), &planes(5.0, 5.0)).unwrap();
        assert_eq!((exact.boxes, exact.scores, exact.worst_box_px), (2, 2, 2.0));
        let mut seen = nothing_yet(ParityLimits::INT8);
        seen.compare(&planes(5.5, 7.0), &planes(5.0, 5.0)).unwrap();
        assert_eq!((seen.boxes, seen.scores, seen.worst_box_px), (1, 2, 0.5));
        let other = Predictions::new(1, 2, 1, vec![0.0; 6]).unwrap();
        assert!(seen.compare(&other, &planes(0.0, 0.0)).is_err());
    }
}
