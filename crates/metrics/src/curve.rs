//! [`Curve`]: a metric sampled at 1000 evenly spaced positions, from which Ultralytics draws its curves.
//!
//! The best position is searched after smoothing, so that an isolated spike is not chosen.

use serde::Serialize;

/// Number of samples, evenly from 0 to 1.
const SAMPLES: usize = 1000;

/// Samples at the positions `i / 999` of `0..=1`, such as confidences or recalls.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Curve(Vec<f64>);

/// The highest point of a smoothed curve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Peak {
    /// Position of the peak, in `0..=1`.
    pub position: f64,
    /// Value of the smoothed curve at the peak.
    pub value: f64,
}

impl Default for Curve {
    /// Zero everywhere.
    fn default() -> Self {
        Self(vec![0.0; SAMPLES])
    }
}

impl Curve {
    /// The 1000 samples.
    pub fn values(&self) -> &[f64] {
        &self.0
    }

    /// Position of sample `index`, in `0..=1`.
    pub fn position(index: usize) -> f64 {
        index as f64 / (SAMPLES - 1) as f64
    }

    /// The maximum after smoothing with a box a tenth of the axis wide; the first on a tie.
    ///
    /// Beyond the ends, the curve is extended with its end values, as in Ultralytics' `smooth(y, 0.1)`.
    pub fn smoothed_peak(&self) -> Peak {
        let (index, value) = self.smoothed_maximum();
        Peak { position: Self::position(index), value }
    }

    /// Samples `value` at every position.
    pub(crate) fn sample(value: impl Fn(f64) -> f64) -> Self {
        Self((0..SAMPLES).map(|i| value(Self::position(i))).collect())
    }

    /// The value of sample `index`.
    pub(crate) fn at(&self, index: usize) -> f64 {
        self.0[index]
    }

    /// F1 = 2PR / (P + R) at every position.
    pub(crate) fn f1(precision: &Self, recall: &Self) -> Self {
        let pairs = precision.0.iter().zip(&recall.0);
        Self(pairs.map(|(p, r)| 2.0 * p * r / (p + r + 1e-16)).collect())
    }

    /// The mean at every position; zero everywhere without curves.
    pub(crate) fn mean<'a>(curves: impl Iterator<Item = &'a Self>) -> Self {
        let mut sum = Self::default();
        let mut count = 0usize;
        for curve in curves {
            count += 1;
            for (sum, value) in sum.0.iter_mut().zip(&curve.0) {
                *sum += value;
            }
        }
        for value in &mut sum.0 {
            *value /= count.max(1) as f64;
        }
        sum
    }

    /// Index and value of [`Self::smoothed_peak`].
    pub(crate) fn smoothed_maximum(&self) -> (usize, f64) {
        const HALF: usize = SAMPLES / 20;
        let width = (2 * HALF + 1) as f64;
        let last = SAMPLES - 1;
        let mut peak = (0, f64::NEG_INFINITY);
        for centre in 0..SAMPLES {
            let window = centre..=centre + 2 * HALF;
            let smooth: f64 = window.map(|i| self.0[i.saturating_sub(HALF).min(last)] / width).sum();
            if smooth > peak.1 {
                peak = (centre, smooth);
            }
        }
        peak
    }
}

#[cfg(test)]
mod tests {
    use super::Curve;

    #[test]
    fn a_lone_spike_loses_to_a_plateau() {
        let curve = Curve::sample(|c| {
            if (c - 0.2).abs() < 0.0004 {
                1.0
            } else if (0.5..0.7).contains(&c) {
                0.6
            } else {
                0.1
            }
        });
        let peak = curve.smoothed_peak();
        assert!((0.54..0.66).contains(&peak.position), "{peak:?}");
        assert!((peak.value - 0.6).abs() < 1e-9, "{peak:?}");
    }

    #[test]
    fn a_flat_curve_peaks_at_its_start() {
        assert_eq!(Curve::default().smoothed_maximum(), (0, 0.0));
        assert_eq!(Curve::sample(|_| 0.7).smoothed_maximum().0, 0);
    }

    #[test]
    fn a_mean_of_nothing_is_zero() {
        assert_eq!(Curve::mean(std::iter::empty()), Curve::default());
        let low = Curve::sample(|x| x);
        let high = Curve::sample(|x| 1.0 - x);
        assert!(Curve::mean([&low, &high].into_iter()).values().iter().all(|v| (v - 0.5).abs() < 1e-12));
    }
}
