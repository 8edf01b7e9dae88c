//! [`deviation`]: standard deviation of a channel over a batch and its cells.

use super::FeatureMap;

/// Added to the variance, as in batch norm, so that a constant channel can be divided by its deviation. Such
/// a channel, and its gradient, is then multiplied by about 300.
pub(super) const EPSILON: f64 = 1e-5;

/// Number of values that are handled together: several vector registers of any instruction set.
const LANES: usize = 16;

/// Square root of the population variance of the batch plus [`EPSILON`].
///
/// Uses one pass of f64 sums of differences from the channel's first value, so that a large mean does not
/// cancel the digits of the variance.
pub(super) fn deviation(map: &FeatureMap, channel: usize) -> f64 {
    let origin = map.plane(0, channel).first().copied().unwrap_or_default();
    let mut sum = 0.0;
    let mut squares = 0.0;
    for image in 0..map.n {
        let plane = moments(map.plane(image, channel), origin);
        sum += plane.0;
        squares += plane.1;
    }
    let count = (map.n * map.h * map.w) as f64;
    let mean = sum / count;
    // Rounding may give a tiny negative variance; NaN stays NaN.
    let variance = squares / count - mean * mean;
    (if variance < 0.0 { EPSILON } else { variance + EPSILON }).sqrt()
}

/// Sums of the differences from `origin` and of their squares.
fn moments(values: &[f32], origin: f32) -> (f64, f64) {
    let mut sums = [0.0f64; LANES];
    let mut squares = [0.0f64; LANES];
    let (chunks, rest) = values.as_chunks::<LANES>();
    for chunk in chunks {
        for i in 0..LANES {
            let d = f64::from(chunk[i]) - f64::from(origin);
            sums[i] += d;
            squares[i] += d * d;
        }
    }
    for (i, &value) in rest.iter().enumerate() {
        let d = f64::from(value) - f64::from(origin);
        sums[i] += d;
        squares[i] += d * d;
    }
    (sums.iter().sum(), squares.iter().sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed by hand: 1, 2, 3, 4, 5, 6 have variance 35/12, also with a large offset.
    #[test]
    fn known_value_at_any_mean() {
        for far in [0.0, 1e6] {
            // Two images of two channels with three cells; channel 1 contains the six numbers.
            let channel = |first: f32| [first, first + 1.0, first + 2.0].map(|v| v + far);
            let values = [[7.0; 3], channel(1.0), [-7.0; 3], channel(4.0)].concat();
            let map = FeatureMap { values: &values, n: 2, channels: 2, h: 1, w: 3 };
            let expected = (35.0 / 12.0 + EPSILON).sqrt();
            assert!((deviation(&map, 1) - expected).abs() < 1e-12, "{far}");
        }
    }

    #[test]
    fn constant_channel_has_the_least_deviation() {
        let values = [0.1f32; 50];
        let map = FeatureMap { values: &values, n: 1, channels: 1, h: 5, w: 10 };
        assert_eq!(deviation(&map, 0), EPSILON.sqrt());
    }
}
