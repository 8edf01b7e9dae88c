//! [`Matching`]: which detections of an image are true positives, at each of the ten `IoU` thresholds.
//!
//! A detection is a true positive at a threshold if it overlaps a label of its class at least that much and
//! no better claim on that label exists; a label is claimed at most once per threshold. The two [`Matching`]
//! rules differ for a detection whose best label is already taken.

use bonsai_boxes::Xyxy;
use serde::{Deserialize, Serialize};

/// `IoU` thresholds of mAP50-95; the first alone gives mAP50.
pub const IOU_THRESHOLDS: [f32; 10] = [0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95];

/// Number of `IoU` thresholds.
pub(crate) const LEVELS: usize = IOU_THRESHOLDS.len();

/// How detections are paired with labels of their class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Matching {
    /// Ultralytics 8.0: every detection claims only its best label. The most confident one gets it; the
    /// others are false positives even if another label is free.
    #[default]
    BestLabel,
    /// Ultralytics 8.4: every detection takes the best free label, by falling confidence.
    Greedy,
}

/// The thresholds at which a detection is a true positive: bit `i` stands for `IOU_THRESHOLDS[i]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Hits(u16);

impl Hits {
    /// All thresholds that an overlap of `iou` reaches.
    fn reached_by(iou: f32) -> Self {
        let count = IOU_THRESHOLDS.iter().take_while(|&&threshold| iou >= threshold).count();
        Self((1 << count) - 1)
    }

    /// Whether the detection is a true positive at `IOU_THRESHOLDS[level]`.
    pub(crate) fn at(self, level: usize) -> bool {
        self.0 & (1 << level) != 0
    }

    fn set(&mut self, level: usize) {
        self.0 |= 1 << level;
    }
}

/// Pairs the detections of one class in one image, in order of falling confidence, with the labels of that
/// class.
///
/// The result is parallel to `detections`.
pub(crate) fn match_boxes(rule: Matching, detections: &[Xyxy], labels: &[Xyxy]) -> Vec<Hits> {
    let mut claimed = vec![Hits::default(); labels.len()];
    detections
        .iter()
        .map(|detection| match rule {
            Matching::BestLabel => claim_best(*detection, labels, &mut claimed),
            Matching::Greedy => claim_free(*detection, labels, &mut claimed),
        })
        .collect()
}

/// Claims the one label that overlaps most, at the thresholds where it is unclaimed.
fn claim_best(detection: Xyxy, labels: &[Xyxy], claimed: &mut [Hits]) -> Hits {
    let mut best = (0.0, None);
    for (index, label) in labels.iter().enumerate() {
        let iou = detection.iou(*label);
        // On a tie the last label counts, as in the original's reversed sort.
        if iou >= best.0 {
            best = (iou, Some(index));
        }
    }
    let (iou, Some(index)) = best else { return Hits::default() };
    let reached = Hits::reached_by(iou);
    let new = Hits(reached.0 & !claimed[index].0);
    claimed[index].0 |= reached.0;
    new
}

/// Claims, at each threshold, the unclaimed label that overlaps most.
fn claim_free(detection: Xyxy, labels: &[Xyxy], claimed: &mut [Hits]) -> Hits {
    let candidates: Vec<(usize, f32)> = labels
        .iter()
        .map(|label| detection.iou(*label))
        .enumerate()
        .filter(|&(_, iou)| iou >= IOU_THRESHOLDS[0])
        .collect();
    let mut hits = Hits::default();
    for (level, &threshold) in IOU_THRESHOLDS.iter().enumerate() {
        let mut best: Option<(usize, f32)> = None;
        for &(index, iou) in &candidates {
            if iou >= threshold && !claimed[index].at(level) && best.is_none_or(|(_, other)| iou > other) {
                best = Some((index, iou));
            }
        }
        if let Some((index, _)) = best {
            hits.set(level);
            claimed[index].set(level);
        }
    }
    hits
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A box of 100 x 10 px whose left side is at `x` px.
    fn strip(x: f32) -> Xyxy {
        Xyxy { x1: x, y1: 0.0, x2: x + 100.0, y2: 10.0 }
    }

    fn right_at_half(rule: Matching, detections: &[f32], labels: &[f32]) -> Vec<bool> {
        let boxes = |starts: &[f32]| starts.iter().map(|&x| strip(x)).collect::<Vec<_>>();
        match_boxes(rule, &boxes(detections), &boxes(labels)).iter().map(|hits| hits.at(0)).collect()
    }

    #[test]
    fn thresholds_are_reached_in_order() {
        assert_eq!(Hits::reached_by(0.49), Hits(0));
        assert_eq!(Hits::reached_by(0.5), Hits(1));
        assert_eq!(Hits::reached_by(0.76), Hits(0b11_1111));
        assert_eq!(Hits::reached_by(1.0), Hits(0b11_1111_1111));
    }

    #[test]
    fn a_second_detection_of_a_label_is_wrong() {
        for rule in [Matching::BestLabel, Matching::Greedy] {
            assert_eq!(right_at_half(rule, &[0.0, 2.0], &[1.0]), [true, false]);
        }
    }

    #[test]
    fn the_rules_differ_on_a_free_second_best_label() {
        // Both detections overlap label 0 most; the second also overlaps label 30 (IoU 0.6).
        assert_eq!(right_at_half(Matching::BestLabel, &[0.0, 5.0], &[0.0, 30.0]), [true, false]);
        assert_eq!(right_at_half(Matching::Greedy, &[0.0, 5.0], &[0.0, 30.0]), [true, true]);
    }

    #[test]
    fn a_loose_early_detection_leaves_high_thresholds_to_a_tight_later_one() {
        let hits = match_boxes(Matching::BestLabel, &[strip(20.0), strip(0.0)], &[strip(0.0)]);
        assert!(hits[0].at(0) && !hits[0].at(9));
        assert!(!hits[1].at(0) && hits[1].at(9));
    }

    #[test]
    fn nothing_to_match_is_no_error() {
        for rule in [Matching::BestLabel, Matching::Greedy] {
            assert_eq!(right_at_half(rule, &[0.0], &[]), [false]);
            assert!(right_at_half(rule, &[], &[0.0]).is_empty());
        }
    }
}
