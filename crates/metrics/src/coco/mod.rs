//! [`CocoEvaluator`]: COCO's protocol, as `pycocotools` computes it, with twelve metrics over `IoU` 0.5 to
//! 0.95, areas and numbers of detections.
//!
//! Boxes are `[x, y, width, height]` in pixels and numbers are `f64`, as in COCO's files: rounding a box to
//! `f32` occasionally moves a detection across a threshold.

mod accumulate;
mod matching;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use accumulate::Curves;
use matching::{Matched, match_category};

/// Maximum number of detections per category and image that count.
pub(crate) const MOST_DETECTIONS: usize = 100;

/// A labelled object.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CocoTruth {
    /// Category.
    pub category_id: u64,
    /// `[x, y, width, height]`.
    pub bbox: [f64; 4],
    /// Area of the object in square pixels; it differs from the area of its box.
    pub area: f64,
    /// Whether the label covers several objects; detections matched with it count neither as true nor as
    /// false positives.
    pub is_crowd: bool,
}

/// A detected object.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CocoDetection {
    /// Category.
    pub category_id: u64,
    /// `[x, y, width, height]`.
    pub bbox: [f64; 4],
    /// Score.
    pub score: f64,
}

/// COCO's metrics, in `0..=1`; `None` where COCO reports -1, because there are no objects.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct CocoMetrics {
    /// Average precision over `IoU` 0.5 to 0.95.
    pub ap: Option<f64>,
    /// Average precision at `IoU` 0.5.
    pub ap50: Option<f64>,
    /// Average precision at `IoU` 0.75.
    pub ap75: Option<f64>,
    /// Average precision of objects smaller than 32 x 32 pixels.
    pub ap_small: Option<f64>,
    /// Average precision of objects between 32 x 32 and 96 x 96 pixels.
    pub ap_medium: Option<f64>,
    /// Average precision of objects larger than 96 x 96 pixels.
    pub ap_large: Option<f64>,
    /// Average recall with one detection of each category per image.
    pub ar1: Option<f64>,
    /// Average recall with ten detections.
    pub ar10: Option<f64>,
    /// Average recall with a hundred detections.
    pub ar100: Option<f64>,
    /// As [`Self::ar100`], for small objects.
    pub ar_small: Option<f64>,
    /// As [`Self::ar100`], for medium objects.
    pub ar_medium: Option<f64>,
    /// As [`Self::ar100`], for large objects.
    pub ar_large: Option<f64>,
    /// AP and AP50 of every category with objects, by category id.
    pub per_category: BTreeMap<u64, [f64; 2]>,
}

/// Collects images and computes [`CocoMetrics`].
///
/// Memory grows by 32 bytes per detection, at most a hundred detections per image and category.
#[derive(Debug, Clone, Default)]
pub struct CocoEvaluator {
    categories: BTreeMap<u64, Matched>,
}

impl CocoEvaluator {
    /// An evaluator without images.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an image. Add images in the order of their ids, as COCO does, because the order decides between
    /// equal scores.
    pub fn add_image(&mut self, detections: &[CocoDetection], truth: &[CocoTruth]) {
        let mut by_category: BTreeMap<u64, (Vec<CocoDetection>, Vec<CocoTruth>)> = BTreeMap::new();
        for detection in detections {
            by_category.entry(detection.category_id).or_default().0.push(*detection);
        }
        for object in truth {
            by_category.entry(object.category_id).or_default().1.push(*object);
        }
        for (category, (mut detections, truth)) in by_category {
            detections.sort_by(|a, b| b.score.total_cmp(&a.score));
            detections.truncate(MOST_DETECTIONS);
            match_category(&detections, &truth, self.categories.entry(category).or_default());
        }
    }

    /// The metrics over all images.
    pub fn finish(self) -> CocoMetrics {
        let curves: BTreeMap<u64, Curves> =
            self.categories.into_iter().map(|(id, matched)| (id, Curves::new(matched))).collect();
        let mean =
            |values: Vec<f64>| (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64);
        let over = |f: &dyn Fn(&Curves) -> Vec<f64>| mean(curves.values().flat_map(f).collect());
        CocoMetrics {
            ap: over(&|c| c.precision(0, 0..10)),
            ap50: over(&|c| c.precision(0, 0..1)),
            ap75: over(&|c| c.precision(0, 5..6)),
            ap_small: over(&|c| c.precision(1, 0..10)),
            ap_medium: over(&|c| c.precision(2, 0..10)),
            ap_large: over(&|c| c.precision(3, 0..10)),
            ar1: over(&|c| c.recall_with(0)),
            ar10: over(&|c| c.recall_with(1)),
            ar100: over(&|c| c.recall(0)),
            ar_small: over(&|c| c.recall(1)),
            ar_medium: over(&|c| c.recall(2)),
            ar_large: over(&|c| c.recall(3)),
            per_category: curves
                .iter()
                .filter_map(|(id, c)| {
                    Some((*id, [mean(c.precision(0, 0..10))?, mean(c.precision(0, 0..1))?]))
                })
                .collect(),
        }
    }
}
