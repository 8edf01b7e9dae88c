//! [`Curves`]: mean precision at 101 recalls, and the highest recall reached.

use std::ops::Range;

use super::MOST_DETECTIONS;
use super::matching::{LEVELS, Matched, THRESHOLDS};

/// Number of recalls at which precision is sampled: 0, 0.01, ... 1.
const RECALLS: usize = 101;
/// Limits on detections per image for which recall is computed as well.
const FEWER: [usize; 2] = [1, 10];

/// Metrics of a category at every threshold; `None` if the category has no objects.
#[derive(Debug)]
pub(super) struct Curves {
    /// Mean precision and highest recall, by area range and threshold.
    levels: [Option<[f64; 2]>; LEVELS],
    /// Recall with the limits of [`FEWER`], over all areas.
    fewer: [[Option<f64>; THRESHOLDS]; FEWER.len()],
}

impl Curves {
    pub(super) fn new(matched: Matched) -> Self {
        let Matched { mut detections, objects } = matched;
        // The sort is stable, so that equal scores keep the order of images and ranks.
        detections.sort_by(|a, b| b.score.total_cmp(&a.score));
        let curve = |level: usize, most: usize| {
            let objects = objects[level / THRESHOLDS];
            (objects > 0).then(|| {
                let bit = 1u64 << level;
                let counted = detections
                    .iter()
                    .filter(|d| usize::from(d.rank) < most && d.ignored & bit == 0)
                    .map(|d| d.right & bit != 0);
                curve(counted, objects)
            })
        };
        Self {
            levels: std::array::from_fn(|level| curve(level, MOST_DETECTIONS)),
            fewer: FEWER
                .map(|most| std::array::from_fn(|level| curve(level, most).map(|[_, recall]| recall))),
        }
    }

    /// Mean precision at these thresholds, for one area range.
    pub(super) fn precision(&self, area: usize, thresholds: Range<usize>) -> Vec<f64> {
        self.area(area)[thresholds].iter().flatten().map(|[precision, _]| *precision).collect()
    }

    /// Recall at every threshold, for one area range.
    pub(super) fn recall(&self, area: usize) -> Vec<f64> {
        self.area(area).iter().flatten().map(|[_, recall]| *recall).collect()
    }

    /// Recall at every threshold with at most `FEWER[which]` detections per image.
    pub(super) fn recall_with(&self, which: usize) -> Vec<f64> {
        self.fewer[which].iter().flatten().copied().collect()
    }

    fn area(&self, area: usize) -> &[Option<[f64; 2]>] {
        &self.levels[area * THRESHOLDS..][..THRESHOLDS]
    }
}

/// Mean precision over the recalls, and the last recall, for detections in order of falling score.
fn curve(right: impl Iterator<Item = bool>, objects: usize) -> [f64; 2] {
    let mut recall = Vec::new();
    let mut precision = Vec::new();
    let mut hits = 0usize;
    for (index, right) in right.enumerate() {
        hits += usize::from(right);
        recall.push(hits as f64 / objects as f64);
        precision.push(hits as f64 / ((index + 1) as f64 + f64::EPSILON));
    }
    // The envelope: the precision at a recall is the best one at that recall or any higher recall.
    for i in (1..precision.len()).rev() {
        precision[i - 1] = precision[i - 1].max(precision[i]);
    }
    let mut at = 0;
    let mut sum = 0.0;
    for wanted in 0..RECALLS {
        // As NumPy's `linspace(0, 1, 101)`.
        let wanted = if wanted == RECALLS - 1 { 1.0 } else { wanted as f64 * 0.01 };
        while at < recall.len() && recall[at] < wanted {
            at += 1;
        }
        sum += precision.get(at).copied().unwrap_or(0.0);
    }
    [sum / RECALLS as f64, recall.last().copied().unwrap_or(0.0)]
}
