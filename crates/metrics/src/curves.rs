//! [`Curves`]: precision, recall and F1 at all confidences.

use serde::Serialize;

use crate::curve::Curve;

/// Curves of every class and their means, at `IoU` 0.5, from
/// [`Evaluator::finish_with_curves`](crate::Evaluator::finish_with_curves).
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Curves {
    /// One entry per class that has labels, by ascending id.
    pub per_class: Vec<ClassCurves>,
    /// Pointwise means over these classes; zero everywhere without classes.
    ///
    /// The smoothed peak of its F1 is at [`DetMetrics::confidence`](crate::DetMetrics::confidence).
    pub mean: CurveSet,
}

/// The curves of one class.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClassCurves {
    /// Index into the class names.
    pub class_id: usize,
    /// Curves of the class; zero everywhere if it has no detections.
    pub curves: CurveSet,
}

/// Four curves of one ranking by confidence.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct CurveSet {
    /// Precision over the confidence threshold below which detections are dropped.
    pub precision: Curve,
    /// Recall over the confidence threshold.
    pub recall: Curve,
    /// F1 over the confidence threshold.
    pub f1: Curve,
    /// Precision over recall: the envelope whose area is the average precision.
    pub precision_over_recall: Curve,
}

impl Curves {
    /// Computes the means of the classes' curves.
    pub(crate) fn new(per_class: Vec<ClassCurves>) -> Self {
        let mean = |view: fn(&CurveSet) -> &Curve| Curve::mean(per_class.iter().map(|c| view(&c.curves)));
        let mean = CurveSet {
            precision: mean(|c| &c.precision),
            recall: mean(|c| &c.recall),
            f1: mean(|c| &c.f1),
            precision_over_recall: mean(|c| &c.precision_over_recall),
        };
        Self { per_class, mean }
    }
}
