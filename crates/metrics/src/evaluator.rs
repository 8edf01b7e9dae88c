//! [`Evaluator`]: computes [`DetMetrics`] from the detections and labels of images.

use std::collections::BTreeMap;

use bonsai_boxes::{Detection, GroundTruth};
use serde::{Deserialize, Serialize};

use crate::curve::Curve;
use crate::curves::{ClassCurves, CurveSet, Curves};
use crate::matching::LEVELS;
use crate::ranking::Ranking;
use crate::tally::{ClassTally, tally_image};
use crate::{ApIntegration, Matching};

/// The arithmetic of the metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Protocol {
    /// How detections are paired with labels.
    pub matching: Matching,
    /// How the precision-recall curve is closed.
    pub integration: ApIntegration,
}

impl Protocol {
    /// Ultralytics 8.0.90, the default.
    pub const ULTRALYTICS_80: Self =
        Self { matching: Matching::BestLabel, integration: ApIntegration::Ultralytics80 };
    /// Ultralytics 8.4.
    pub const ULTRALYTICS_84: Self =
        Self { matching: Matching::Greedy, integration: ApIntegration::Ultralytics84 };
}

/// Metrics over a set of images, as fractions in `0..=1`.
///
/// Means are over the classes that have labels; without any, they are 0.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct DetMetrics {
    /// Mean over classes of the average precision at `IoU` 0.5.
    pub map50: f64,
    /// Mean over classes of the average precision, averaged over `IoU` 0.5 to 0.95.
    pub map50_95: f64,
    /// Mean precision (true positives / detections) at [`Self::confidence`], `IoU` 0.5.
    pub precision: f64,
    /// Mean recall (true positives / labels) at [`Self::confidence`], `IoU` 0.5.
    pub recall: f64,
    /// The confidence with the highest smoothed mean F1; precision and recall refer to it.
    pub confidence: f64,
    /// One entry per class: entry `i` is class `i` for all classes passed to [`Evaluator::new`]; other
    /// classes with labels follow, by ascending id.
    pub per_class: Vec<ClassMetrics>,
    /// Number of images, including those without labels.
    pub images: usize,
    /// Number of labels.
    pub instances: usize,
}

/// Metrics of one class, as fractions in `0..=1`; all 0 for a class without labels.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ClassMetrics {
    /// Index into the class names.
    pub class_id: usize,
    /// Number of labels of this class; a class with 0 labels is excluded from the means.
    pub instances: usize,
    /// Average precision at `IoU` 0.5.
    pub ap50: f64,
    /// Average precision, averaged over `IoU` 0.5 to 0.95.
    pub ap50_95: f64,
    /// Precision at [`DetMetrics::confidence`], `IoU` 0.5.
    pub precision: f64,
    /// Recall at [`DetMetrics::confidence`], `IoU` 0.5.
    pub recall: f64,
}

/// Collects the results of a validation set.
///
/// Memory grows by 8 bytes per detection, not with the size of the images.
#[derive(Debug, Clone)]
pub struct Evaluator {
    protocol: Protocol,
    num_classes: usize,
    classes: BTreeMap<usize, ClassTally>,
    images: usize,
}

impl Evaluator {
    /// An evaluator for `num_classes` classes with the arithmetic of Ultralytics 8.0.90.
    pub fn new(num_classes: usize) -> Self {
        Self::with_protocol(num_classes, Protocol::default())
    }

    /// An evaluator with the arithmetic of `protocol`.
    pub fn with_protocol(num_classes: usize, protocol: Protocol) -> Self {
        Self { protocol, num_classes, classes: BTreeMap::new(), images: 0 }
    }

    /// Adds one image: its detections, in any order, and its labels.
    ///
    /// Boxes are corners in the same unit for both (normally pixels of the original image). Detections should
    /// come from non-maximum suppression with a low confidence threshold (0.001), because average precision
    /// integrates over confidence. A detection with a NaN confidence is ignored.
    pub fn add_image(&mut self, detections: &[Detection], labels: &[GroundTruth]) {
        self.images += 1;
        for (class_id, of_image) in tally_image(self.protocol.matching, detections, labels) {
            let tally = self.classes.entry(class_id).or_default();
            tally.instances += of_image.instances;
            tally.detections.extend(of_image.detections);
        }
    }

    /// The metrics over all images added.
    pub fn finish(self) -> DetMetrics {
        self.rank(false).0
    }

    /// The metrics over all images added, equal to those of [`Self::finish`], and their curves.
    pub fn finish_with_curves(self) -> (DetMetrics, Curves) {
        let (metrics, ranked) = self.rank(true);
        let per_class = ranked
            .into_iter()
            .filter(|ranked| ranked.instances > 0)
            .map(|Ranked { class_id, ranking, .. }| {
                let f1 = Curve::f1(&ranking.precision, &ranking.recall);
                let Ranking { precision, recall, precision_over_recall, .. } = ranking;
                ClassCurves { class_id, curves: CurveSet { precision, recall, f1, precision_over_recall } }
            })
            .collect();
        (metrics, Curves::new(per_class))
    }

    fn rank(mut self, with_curves: bool) -> (DetMetrics, Vec<Ranked>) {
        for class_id in 0..self.num_classes {
            self.classes.entry(class_id).or_default();
        }
        let num_classes = self.num_classes;
        self.classes.retain(|&class_id, tally| class_id < num_classes || tally.instances > 0);

        let integration = self.protocol.integration;
        let ranked: Vec<Ranked> = self
            .classes
            .iter_mut()
            .map(|(&class_id, tally)| Ranked {
                class_id,
                instances: tally.instances,
                ranking: Ranking::new(tally, integration, with_curves),
            })
            .collect();
        let labelled = ranked.iter().filter(|ranked| ranked.instances > 0);
        let f1: Vec<Curve> = labelled.map(|r| Curve::f1(&r.ranking.precision, &r.ranking.recall)).collect();
        let (best, _) = Curve::mean(f1.iter()).smoothed_maximum();

        let per_class = ranked
            .iter()
            .map(|Ranked { class_id, instances, ranking }| ClassMetrics {
                class_id: *class_id,
                instances: *instances,
                ap50: ranking.ap[0],
                ap50_95: ranking.ap.iter().sum::<f64>() / LEVELS as f64,
                precision: ranking.precision.at(best),
                recall: ranking.recall.at(best),
            })
            .collect();
        (summarise(per_class, self.images, Curve::position(best)), ranked)
    }
}

/// A class and the ranking of its detections.
struct Ranked {
    class_id: usize,
    instances: usize,
    ranking: Ranking,
}

/// Means over the classes that have labels.
fn summarise(per_class: Vec<ClassMetrics>, images: usize, confidence: f64) -> DetMetrics {
    let labelled = || per_class.iter().filter(|class| class.instances > 0);
    let count = labelled().count().max(1) as f64;
    let mean = |figure: fn(&ClassMetrics) -> f64| labelled().map(figure).sum::<f64>() / count;
    DetMetrics {
        map50: mean(|c| c.ap50),
        map50_95: mean(|c| c.ap50_95),
        precision: mean(|c| c.precision),
        recall: mean(|c| c.recall),
        confidence,
        instances: per_class.iter().map(|class| class.instances).sum(),
        images,
        per_class,
    }
}
