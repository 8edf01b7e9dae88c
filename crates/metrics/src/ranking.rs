//! [`Ranking`]: the detections of one class over all images, ranked by confidence.
//!
//! Invariant: a [`Ranking`] depends on the set of detections, not on their order.

use crate::curve::Curve;
use crate::interpolation::interpolate;
use crate::matching::{Hits, LEVELS};
use crate::tally::{ClassTally, by_rank};
use crate::{ApIntegration, average_precision::Envelope};

/// The metrics of one class that has labels.
pub(crate) struct Ranking {
    /// Average precision per `IoU` threshold.
    pub(crate) ap: [f64; LEVELS],
    /// Precision over confidence, at the lowest threshold.
    pub(crate) precision: Curve,
    /// Recall over confidence, at the lowest threshold.
    pub(crate) recall: Curve,
    /// Precision over recall, at the lowest threshold; zero unless curves are requested.
    pub(crate) precision_over_recall: Curve,
}

impl Ranking {
    /// Ranks the detections of a class; all metrics are 0 without labels or without detections.
    pub(crate) fn new(tally: &mut ClassTally, integration: ApIntegration, with_curves: bool) -> Self {
        if tally.instances == 0 || tally.detections.is_empty() {
            let zero = Curve::default;
            let ap = [0.0; LEVELS];
            let precision = zero();
            let recall = zero();
            return Self { ap, precision, recall, precision_over_recall: zero() };
        }
        tally.detections.sort_unstable_by(|a, b| by_rank(*a, *b));

        let mut ap = [0.0; LEVELS];
        let mut lowest = (Vec::new(), Vec::new());
        let mut precision_over_recall = Curve::default();
        for (level, ap) in ap.iter_mut().enumerate() {
            let (recall, precision) = cumulate(&tally.detections, level, tally.instances);
            let envelope = Envelope::new(integration, &recall, &precision);
            *ap = envelope.area();
            if level == 0 {
                if with_curves {
                    precision_over_recall = Curve::sample(|recall| envelope.at(recall));
                }
                lowest = (recall, precision);
            }
        }
        // Confidence falls along the ranking, so both curves are interpolated on a negated axis.
        let mirrored: Vec<f64> =
            tally.detections.iter().map(|&(confidence, _)| -f64::from(confidence)).collect();
        let (recall, precision) = lowest;
        Self {
            ap,
            precision: Curve::sample(|c| interpolate(-c, &mirrored, &precision, 1.0)),
            recall: Curve::sample(|c| interpolate(-c, &mirrored, &recall, 0.0)),
            precision_over_recall,
        }
    }
}

/// Recall and precision after each detection of the ranking.
fn cumulate(ranked: &[(f32, Hits)], level: usize, instances: usize) -> (Vec<f64>, Vec<f64>) {
    let mut right = 0usize;
    ranked
        .iter()
        .enumerate()
        .map(|(index, (_, hits))| {
            right += usize::from(hits.at(level));
            (right as f64 / instances as f64, right as f64 / (index + 1) as f64)
        })
        .unzip()
}
