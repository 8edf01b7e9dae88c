//! COCO's protocol, as `pycocotools` computes it: twelve figures over `IoU` 0.5 to 0.95, areas and numbers of detections.
//!
//! Boxes are `[x, y, width, height]` in pixels and numbers are `f64`, as in COCO's files: rounding a box to `f32` moves a
//! detection over a threshold now and then.

mod accumulate;
mod matching;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use accumulate::Curves;
use matching::{Matched, match_category};

/// Most detections of a category in an image that count.
pub(crate) const MOST_DETECTIONS: usize = 100;

/// An object that is marked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CocoTruth {
    /// Category.
    pub category_id: u64,
    /// `[x, y, width, height]`.
    pub bbox: [f64; 4],
    /// Area of the object, which is not that of its box, in square pixels.
    pub area: f64,
    /// Whether it stands for several objects: detections on it count neither as right nor as wrong.
    pub is_crowd: bool,
}

/// An object that was found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CocoDetection {
    /// Category.
    pub category_id: u64,
    /// `[x, y, width, height]`.
    pub bbox: [f64; 4],
    /// Score.
    pub score: f64,
}

/// COCO's figures, in `0..=1`; `None` where COCO says -1, because there is nothing to be found.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct CocoMetrics {
    /// Average precision over `IoU` 0.5 to 0.95.
    pub ap: Option<f64>,
    /// At `IoU` 0.5.
    pub ap50: Option<f64>,
    /// At `IoU` 0.75.
    pub ap75: Option<f64>,
    /// Of objects smaller than 32 x 32 pixels.
    pub ap_small: Option<f64>,
    /// Between those two.
    pub ap_medium: Option<f64>,
    /// Larger than 96 x 96 pixels.
    pub ap_large: Option<f64>,
    /// Average recall with one detection of each category per image.
    pub ar1: Option<f64>,
    /// With ten.
    pub ar10: Option<f64>,
    /// With a hundred.
    pub ar100: Option<f64>,
    /// As [`Self::ar100`], of small objects.
    pub ar_small: Option<f64>,
    /// Of medium ones.
    pub ar_medium: Option<f64>,
    /// Of large ones.
    pub ar_large: Option<f64>,
    /// AP and AP50 of every category with objects, by id.
    pub per_category: BTreeMap<u64, [f64; 2]>,
}

/// Gathers images.
///
/// Memory grows by 32 bytes per detection, a hundred per image and category at most.
#[derive(Debug, Clone, Default)]
pub struct CocoEvaluator {
    categories: BTreeMap<u64, Matched>,
}

impl CocoEvaluator {
    /// No images yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an image. COCO takes images in the order of their ids, which decides between equal scores.
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

    /// The figures over all images.
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
