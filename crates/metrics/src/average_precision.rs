//! [`ApIntegration`] and [`Envelope`]: average precision, the area under a class's precision-recall curve.
//!
//! The curve is made non-increasing (its envelope), sampled at 101 evenly spaced recalls and integrated by
//! the trapezoid rule. Ultralytics releases differ only in the points that close the curve; [`ApIntegration`]
//! selects them.

use serde::{Deserialize, Serialize};

use crate::interpolation::interpolate;

/// Number of intervals between the 101 recalls at which precision is read.
const INTERVALS: u32 = 100;

/// How the precision-recall curve is closed beyond the highest recall reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ApIntegration {
    /// Ultralytics 8.0: a straight line from the last point down to precision 0 at recall 1.
    #[default]
    Ultralytics80,
    /// Ultralytics 8.4: precision falls to 0 immediately after the last detection; slightly lower.
    Ultralytics84,
}

/// The closed precision-recall curve: at each recall, the best precision at this or any higher recall.
pub(crate) struct Envelope {
    recall: Vec<f64>,
    precision: Vec<f64>,
}

impl Envelope {
    /// Closes the curve of (recall, precision) points, which are in order of falling confidence.
    ///
    /// Without points, only the closing points remain; the caller decides whether such a class counts.
    pub(crate) fn new(rule: ApIntegration, recall: &[f64], precision: &[f64]) -> Self {
        let mut xs = Vec::with_capacity(recall.len() + 3);
        let mut ys = Vec::with_capacity(recall.len() + 3);
        xs.push(0.0);
        xs.extend_from_slice(recall);
        ys.push(1.0);
        ys.extend_from_slice(precision);
        if rule == ApIntegration::Ultralytics84 {
            xs.push(recall.last().copied().unwrap_or(1.0));
            ys.push(0.0);
        }
        xs.push(1.0);
        ys.push(0.0);
        for i in (1..ys.len()).rev() {
            ys[i - 1] = ys[i - 1].max(ys[i]);
        }
        Self { recall: xs, precision: ys }
    }

    /// The precision at a recall in `0..=1`.
    pub(crate) fn at(&self, recall: f64) -> f64 {
        interpolate(recall, &self.recall, &self.precision, 1.0)
    }

    /// The average precision: the area under the curve.
    pub(crate) fn area(&self) -> f64 {
        let step = 1.0 / f64::from(INTERVALS);
        let at = |i: u32| self.at(f64::from(i) * step);
        (0..INTERVALS).map(|i| (at(i) + at(i + 1)) * 0.5 * step).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::{ApIntegration, Envelope};

    #[test]
    fn known_areas() {
        use ApIntegration::{Ultralytics80, Ultralytics84};
        let third = 1.0 / 3.0;
        let cases: [(ApIntegration, &[f64], &[f64], f64); 5] = [
            // All objects found and no false positive: the last of 101 points is 0.
            (Ultralytics80, &[0.5, 1.0], &[1.0, 1.0], 0.995),
            (Ultralytics84, &[0.5, 1.0], &[1.0, 1.0], 0.995),
            // Half of the objects found: 8.0 adds a triangle; 8.4 gives half an interval less than the
            // rectangle.
            (Ultralytics80, &[0.5], &[1.0], 0.75),
            (Ultralytics84, &[0.5], &[1.0], 0.495),
            // The envelope fills the dip to 1/2: precision is 1 below recall 1/2 and 2/3 from there on.
            (Ultralytics80, &[0.5, 0.5, 1.0], &[1.0, 0.5, 2.0 * third], 0.495 + 0.5 * 2.0 * third),
        ];
        for (rule, recall, precision, expected) in cases {
            let area = Envelope::new(rule, recall, precision).area();
            assert!((area - expected).abs() < 1e-12, "{rule:?} {recall:?}: {area} is not {expected}");
        }
    }
}
