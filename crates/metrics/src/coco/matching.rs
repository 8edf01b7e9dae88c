//! [`match_category`]: pairs detections with objects in one image by COCO's greedy rule, at ten thresholds
//! for four area ranges.

use super::{CocoDetection, CocoTruth};

/// Number of `IoU` thresholds.
pub(super) const THRESHOLDS: usize = 10;
/// Ranges for all areas, small, medium and large objects, in square pixels.
const AREAS: [[f64; 2]; 4] = [[0.0, 1e10], [0.0, 1024.0], [1024.0, 9216.0], [9216.0, 1e10]];
/// Number of pairs of area range and threshold.
pub(super) const LEVELS: usize = AREAS.len() * THRESHOLDS;

/// A detection and its result: one bit for each pair of area range and threshold (`area * 10 + threshold`).
#[derive(Debug, Clone, Copy)]
pub(super) struct MatchedDetection {
    pub(super) score: f64,
    /// Index among the image's detections of the category.
    pub(super) rank: u8,
    /// The detection is matched with an object.
    pub(super) right: u64,
    /// The detection counts neither as a true nor as a false positive.
    pub(super) ignored: u64,
}

/// All detections of a category, image after image, and the number of objects in each area range.
#[derive(Debug, Clone, Default)]
pub(super) struct Matched {
    pub(super) detections: Vec<MatchedDetection>,
    pub(super) objects: [usize; AREAS.len()],
}

/// `0.5, 0.55, ...` with the rounding of NumPy's `linspace`.
fn threshold(index: usize) -> f64 {
    if index == THRESHOLDS - 1 { 0.95 } else { 0.5 + index as f64 * ((0.95 - 0.5) / 9.0) }
}

fn iou(d: &[f64; 4], g: &[f64; 4], is_crowd: bool) -> f64 {
    let w = (d[0] + d[2]).min(g[0] + g[2]) - d[0].max(g[0]);
    let h = (d[1] + d[3]).min(g[1] + g[3]) - d[1].max(g[1]);
    if w <= 0.0 || h <= 0.0 {
        return 0.0;
    }
    let inside = w * h;
    let own = d[2] * d[3];
    let union = if is_crowd { own } else { own + g[2] * g[3] - inside };
    inside / union
}

/// Matches an image's detections of one category, which must be sorted by falling score.
pub(super) fn match_category(detections: &[CocoDetection], truth: &[CocoTruth], to: &mut Matched) {
    let first = to.detections.len();
    to.detections.extend(detections.iter().enumerate().map(|(rank, d)| MatchedDetection {
        score: d.score,
        rank: rank as u8,
        right: 0,
        ignored: 0,
    }));
    let matched = &mut to.detections[first..];
    let overlaps: Vec<Vec<f64>> = detections
        .iter()
        .map(|d| truth.iter().map(|g| iou(&d.bbox, &g.bbox, g.is_crowd)).collect())
        .collect();
    for (area, [from, upto]) in AREAS.into_iter().enumerate() {
        let outside = |area: f64| area < from || area > upto;
        let ignored: Vec<bool> = truth.iter().map(|g| g.is_crowd || outside(g.area)).collect();
        to.objects[area] += ignored.iter().filter(|ignored| !**ignored).count();
        // Objects that are not ignored come first.
        let mut order: Vec<usize> = (0..truth.len()).collect();
        order.sort_by_key(|g| ignored[*g]);
        for level in 0..THRESHOLDS {
            let bit = 1u64 << (area * THRESHOLDS + level);
            let mut taken = vec![false; truth.len()];
            for ((matched, detection), overlaps) in matched.iter_mut().zip(detections).zip(&overlaps) {
                let found = best(&order, &ignored, &taken, truth, overlaps, threshold(level));
                let counts_not = match found {
                    Some(object) => {
                        taken[object] = true;
                        matched.right |= bit;
                        ignored[object]
                    }
                    None => outside(detection.bbox[2] * detection.bbox[3]),
                };
                if counts_not {
                    matched.ignored |= bit;
                }
            }
        }
    }
}

/// The object for a detection: the free one with the greatest overlap; an object that counts precedes any
/// ignored one.
fn best(
    order: &[usize],
    ignored: &[bool],
    taken: &[bool],
    truth: &[CocoTruth],
    overlaps: &[f64],
    threshold: f64,
) -> Option<usize> {
    let mut least = threshold.min(1.0 - 1e-10);
    let mut found: Option<usize> = None;
    for &object in order {
        if taken[object] && !truth[object].is_crowd {
            continue;
        }
        if found.is_some_and(|found| !ignored[found]) && ignored[object] {
            break;
        }
        if overlaps[object] < least {
            continue;
        }
        (least, found) = (overlaps[object], Some(object));
    }
    found
}
