//! A quantity over the confidence below which detections are dropped.

/// Number of confidences at which a curve is sampled, evenly from 0 to 1.
const SAMPLES: usize = 1000;

/// Samples at confidences `i / 999`.
#[derive(Debug, Clone)]
pub(crate) struct ConfidenceCurve(Vec<f64>);

impl Default for ConfidenceCurve {
    /// Zero everywhere.
    fn default() -> Self {
        Self(vec![0.0; SAMPLES])
    }
}

impl ConfidenceCurve {
    /// The confidence of sample `index`.
    pub(crate) fn confidence(index: usize) -> f64 {
        index as f64 / (SAMPLES - 1) as f64
    }

    /// Samples `value` at every confidence.
    pub(crate) fn sample(value: impl Fn(f64) -> f64) -> Self {
        Self((0..SAMPLES).map(|i| value(Self::confidence(i))).collect())
    }

    /// Sample `index`.
    pub(crate) fn at(&self, index: usize) -> f64 {
        self.0[index]
    }

    /// The pointwise mean of F1 = 2PR / (P + R) over pairs of precision and recall curves.
    pub(crate) fn mean_f1<'a>(pairs: impl Iterator<Item = (&'a Self, &'a Self)>) -> Self {
        let mut sum = Self::default();
        let mut count = 0usize;
        for (precision, recall) in pairs {
            count += 1;
            for (sum, (p, r)) in sum.0.iter_mut().zip(precision.0.iter().zip(&recall.0)) {
                *sum += 2.0 * p * r / (p + r + 1e-16);
            }
        }
        for value in &mut sum.0 {
            *value /= count.max(1) as f64;
        }
        sum
    }

    /// Index of the highest sample after smoothing with a box a tenth of the axis wide; the first of equals.
    ///
    /// Smoothing keeps a single lucky confidence from being chosen. The ends are continued with their own
    /// values.
    pub(crate) fn smoothed_peak(&self) -> usize {
        const HALF: usize = SAMPLES / 20;
        let width = (2 * HALF + 1) as f64;
        let last = SAMPLES - 1;
        let mut peak = (f64::NEG_INFINITY, 0);
        for centre in 0..SAMPLES {
            let window = centre..=centre + 2 * HALF;
            let smooth: f64 = window.map(|i| self.0[i.saturating_sub(HALF).min(last)] / width).sum();
            if smooth > peak.0 {
                peak = (smooth, centre);
            }
        }
        peak.1
    }
}

#[cfg(test)]
mod tests {
    use super::ConfidenceCurve;

    #[test]
    fn a_lone_spike_loses_to_a_plateau() {
        let curve = ConfidenceCurve::sample(|c| {
            if (c - 0.2).abs() < 0.0004 {
                1.0
            } else if (0.5..0.7).contains(&c) {
                0.6
            } else {
                0.1
            }
        });
        let peak = ConfidenceCurve::confidence(curve.smoothed_peak());
        assert!((0.54..0.66).contains(&peak), "peak at {peak}");
    }

    #[test]
    fn a_flat_curve_peaks_at_its_start() {
        assert_eq!(ConfidenceCurve::default().smoothed_peak(), 0);
        assert_eq!(ConfidenceCurve::sample(|_| 0.7).smoothed_peak(), 0);
    }
}
