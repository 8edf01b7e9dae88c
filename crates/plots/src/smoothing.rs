//! [`smooth`]: a smoothed line without the noise of single epochs.

use crate::axis::is_drawable;

/// Standard deviation of the Gaussian, in epochs, as in Ultralytics.
const SIGMA: f64 = 3.0;

/// Replaces each value by the mean of its neighbours, weighted by a Gaussian of their distance along x.
///
/// Missing values stay missing and have no weight; at the ends the Gaussian is truncated.
pub(crate) fn smooth(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let reach = 4.0 * SIGMA;
    let mut first = 0;
    points
        .iter()
        .map(|&(x, y)| {
            if !is_drawable(y) {
                return (x, f64::NAN);
            }
            while points[first].0 < x - reach {
                first += 1;
            }
            let near = points[first..].iter().take_while(|point| point.0 <= x + reach);
            let mut sum = 0.0;
            let mut weights = 0.0;
            for &(other, value) in near.filter(|point| is_drawable(point.1)) {
                let weight = (-0.5 * ((other - x) / SIGMA).powi(2)).exp();
                sum += weight * value;
                weights += weight;
            }
            (x, sum / weights)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::smooth;

    #[test]
    fn noise_shrinks_and_constants_stay() {
        let noisy: Vec<(f64, f64)> = (0..40).map(|i| (f64::from(i), f64::from(i % 2))).collect();
        assert!(smooth(&noisy)[12..28].iter().all(|&(_, y)| (y - 0.5).abs() < 0.01));
        let flat: Vec<(f64, f64)> = (0..5).map(|i| (f64::from(i), 2.0)).collect();
        assert!(smooth(&flat).iter().all(|&(_, y)| (y - 2.0).abs() < 1e-12));
    }

    #[test]
    fn gaps_stay_gaps() {
        let smoothed = smooth(&[(1.0, 1.0), (2.0, f64::NAN), (3.0, f64::INFINITY), (4.0, 1.0)]);
        let missing: Vec<bool> = smoothed.iter().map(|point| point.1.is_nan()).collect();
        assert_eq!(missing, [false, true, true, false]);
        assert!(smooth(&[]).is_empty());
    }
}
