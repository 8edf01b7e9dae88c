//! [`GammaSummary`]: the distribution of a set of gammas in a few numbers.

use serde::{Deserialize, Serialize};

/// Gammas of one layer or of a network. All fields except `largest_beta` describe magnitudes `|gamma|`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GammaSummary {
    /// Number of channels; at least 1.
    pub count: usize,
    /// Smallest.
    pub min: f32,
    /// Mean.
    pub mean: f32,
    /// Largest.
    pub max: f32,
    /// Values at [`GammaSummary::PERCENTILES`], interpolated linearly between neighbours.
    pub percentiles: [f32; 7],
    /// Fraction of channels below 1e-2, which pruning can remove at almost no cost.
    pub below_1e2: f64,
    /// Fraction of channels below 1e-3.
    pub below_1e3: f64,
    /// Counts by magnitude.
    pub histogram: Histogram,
    /// Largest magnitude of a beta; removing channels costs little if betas are small.
    pub largest_beta: f32,
}

/// Counts of magnitudes in bins that are the same for every layer and epoch, so that plots can be compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Histogram {
    /// Bin `i` counts `i / 20 <= |gamma| < (i + 1) / 20`; there are [`Histogram::BINS`].
    pub counts: Vec<u64>,
    /// Number of magnitudes beyond the last bin.
    pub above: u64,
}

impl GammaSummary {
    /// The percentages of `percentiles`.
    pub const PERCENTILES: [u8; 7] = [5, 10, 25, 50, 75, 90, 95];

    /// Summary of finite values; `None` for empty slices.
    pub(crate) fn new(gammas: &[f32], betas: &[f32]) -> Option<Self> {
        let mut sorted: Vec<f32> = gammas.iter().map(|g| g.abs()).collect();
        sorted.sort_unstable_by(f32::total_cmp);
        let min = *sorted.first()?;
        let max = *sorted.last()?;
        let count = sorted.len();
        let share_below = |limit: f32| sorted.partition_point(|g| *g < limit) as f64 / count as f64;
        let sum: f64 = sorted.iter().map(|g| f64::from(*g)).sum();
        Some(Self {
            count,
            min,
            mean: (sum / count as f64) as f32,
            max,
            percentiles: Self::PERCENTILES.map(|p| percentile(&sorted, f64::from(p) / 100.0)),
            below_1e2: share_below(1e-2),
            below_1e3: share_below(1e-3),
            histogram: Histogram::new(&sorted),
            largest_beta: betas.iter().fold(0.0, |m, b| b.abs().max(m)),
        })
    }

    /// The median magnitude.
    pub const fn median(&self) -> f32 {
        self.percentiles[3]
    }
}

impl Histogram {
    /// Number of bins per unit of magnitude.
    pub const BINS_PER_UNIT: usize = 20;
    /// Number of bins, which cover 0 to 3.
    pub const BINS: usize = 3 * Self::BINS_PER_UNIT;

    fn new(magnitudes: &[f32]) -> Self {
        let mut histogram = Self { counts: vec![0; Self::BINS], above: 0 };
        for magnitude in magnitudes {
            // The multiplication is exact in f64; the cast saturates for huge values, which therefore count
            // as above.
            let bin = (f64::from(*magnitude) * Self::BINS_PER_UNIT as f64) as usize;
            *histogram.counts.get_mut(bin).unwrap_or(&mut histogram.above) += 1;
        }
        histogram
    }
}

/// The value below which the fraction `share` of a sorted, non-empty slice lies, interpolated like NumPy's
/// default.
fn percentile(sorted: &[f32], share: f64) -> f32 {
    let position = share * (sorted.len() - 1) as f64;
    let lower = sorted[position.floor() as usize];
    let upper = sorted[position.ceil() as usize];
    (f64::from(lower) + (f64::from(upper) - f64::from(lower)) * position.fract()) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_interpolate() {
        let sorted = [1.0, 2.0, 4.0, 8.0];
        for (share, expected) in [(0.0, 1.0), (0.5, 3.0), (1.0, 8.0), (0.25, 1.75), (0.9, 6.8)] {
            assert!((percentile(&sorted, share) - expected).abs() < 1e-6, "{share}");
        }
        assert_eq!(percentile(&[7.0], 0.95).to_bits(), 7.0f32.to_bits());
    }

    #[test]
    fn edges_belong_to_the_bin_above() {
        let histogram = Histogram::new(&[0.0, 0.049, 0.05, 1.0, 2.999, 3.0, f32::MAX]);
        let filled: Vec<_> = histogram.counts.iter().enumerate().filter(|(_, c)| **c > 0).collect();
        assert_eq!(filled, [(0, &2), (1, &1), (20, &1), (59, &1)]);
        assert_eq!(histogram.above, 2);
    }
}
