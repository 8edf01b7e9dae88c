//! [`Distribution`]: the distance of a box side as a distribution over bins, with softmax, expectation, focal
//! loss and divergence.
//!
//! The head gives `reg_max` logits per side; the distance is the expected bin, in cells, and the focal loss
//! pulls probability to the two bins around the target (Li et al., "Generalized Focal Loss", 2020). Softmax
//! and both gradients work on one anchor's four sides in contiguous memory. This module does not use boxes.

use crate::sigmoid::exp_negative;

/// Ultralytics keeps the target this far below the last bin, so that there is always a bin above it.
const TARGET_MARGIN: f64 = 0.01;

/// Probabilities of one anchor's four sides, in a buffer that is reused for the next anchor.
#[derive(Debug)]
pub(crate) struct Distribution {
    reg_max: usize,
    logits: Vec<f32>,
    probabilities: Vec<f32>,
    /// For each side: the logarithm of the sum of the exponentials of its logits.
    log_sum: [f64; 4],
    /// Expected bin of the left, top, right and bottom distance, in cells.
    distances: [f64; 4],
}

impl Distribution {
    pub(crate) fn new(reg_max: usize) -> Self {
        let zeros = vec![0.0; 4 * reg_max];
        Self { reg_max, logits: zeros.clone(), probabilities: zeros, log_sum: [0.0; 4], distances: [0.0; 4] }
    }

    /// Reads the logits of a cell from planes `[4 * reg_max, cells]` and returns the four expected distances.
    pub(crate) fn read(&mut self, planes: &[f32], cells: usize, cell: usize) -> [f64; 4] {
        for (logit, plane) in self.logits.iter_mut().zip(planes.chunks_exact(cells)) {
            *logit = plane[cell];
        }
        self.normalise();
        self.distances
    }

    /// Becomes the distribution of `other`, which has as many bins, with its logits divided by a temperature.
    pub(crate) fn temper(&mut self, other: &Self, temperature: f32) {
        for (logit, &x) in self.logits.iter_mut().zip(&other.logits) {
            *logit = x / temperature;
        }
        self.normalise();
    }

    /// Computes probabilities, sums and distances from the logits.
    fn normalise(&mut self) {
        let sides =
            self.logits.chunks_exact(self.reg_max).zip(self.probabilities.chunks_exact_mut(self.reg_max));
        for (side, (logits, probabilities)) in sides.enumerate() {
            let highest = logits.iter().fold(f32::NEG_INFINITY, |m, &x| m.max(x));
            for (p, &x) in probabilities.iter_mut().zip(logits) {
                *p = exp_negative(x - highest);
            }
            let mut sum = 0.0;
            let mut weighted = 0.0;
            for (bin, &p) in probabilities.iter().enumerate() {
                sum += f64::from(p);
                weighted += bin as f64 * f64::from(p);
            }
            let scale = (1.0 / sum) as f32;
            for p in probabilities {
                *p *= scale;
            }
            self.log_sum[side] = f64::from(highest) + sum.ln();
            self.distances[side] = weighted / sum;
        }
    }

    /// Expected bin of the left, top, right and bottom distance, in cells.
    pub(crate) fn distances(&self) -> [f64; 4] {
        self.distances
    }

    /// Probability of each bin, one side after the other.
    pub(crate) fn probabilities(&self) -> &[f32] {
        &self.probabilities
    }

    /// Mean over the sides of KL(self || other); both must have the same number of bins.
    pub(crate) fn divergence(&self, other: &Self) -> f64 {
        let mut sum = 0.0;
        for side in 0..4 {
            // ln of the ratio of two bins is the difference of their logits minus the difference of the
            // log-sums.
            let shift = self.log_sum[side] - other.log_sum[side];
            let bins = side * self.reg_max..(side + 1) * self.reg_max;
            for i in bins {
                let log_ratio = f64::from(self.logits[i]) - f64::from(other.logits[i]) - shift;
                sum += f64::from(self.probabilities[i]) * log_ratio;
            }
        }
        sum / 4.0
    }

    /// Mean over the sides of the cross-entropy with the two bins around `target` (in cells, clamped to the
    /// bins).
    pub(crate) fn focal_loss(&self, target: [f64; 4]) -> f64 {
        let mut sum = 0.0;
        for (side, logits) in self.logits.chunks_exact(self.reg_max).enumerate() {
            let (bin, above) = self.split(target[side]);
            let wanted = (1.0 - above) * f64::from(logits[bin]) + above * f64::from(logits[bin + 1]);
            sum += self.log_sum[side] - wanted;
        }
        sum / 4.0
    }

    /// Writes the gradient with respect to a cell's logits into planes `[4 * reg_max, cells]`. The loss has
    /// the derivative `by_distance` with respect to the four distances, plus `focal_weight` times
    /// [`Self::focal_loss`].
    pub(crate) fn write_gradient(
        &self,
        by_distance: [f64; 4],
        target: [f64; 4],
        focal_weight: f64,
        planes: &mut [f32],
        cells: usize,
        cell: usize,
    ) {
        let focal = |i: usize, p: f64| {
            let side = i / self.reg_max;
            let k = i % self.reg_max;
            let (bin, above) = self.split(target[side]);
            let wanted = if k == bin {
                1.0 - above
            } else if k == bin + 1 {
                above
            } else {
                0.0
            };
            focal_weight / 4.0 * (p - wanted)
        };
        self.write_gradient_with(by_distance, focal, planes, cells, cell);
    }

    /// As [`Self::write_gradient`], for a loss of the distances and of any other term whose derivative with
    /// respect to logit i (one side after the other, with probability p) is `other(i, p)`.
    pub(crate) fn write_gradient_with(
        &self,
        by_distance: [f64; 4],
        other: impl Fn(usize, f64) -> f64,
        planes: &mut [f32],
        cells: usize,
        cell: usize,
    ) {
        for (i, plane) in planes.chunks_exact_mut(cells).enumerate() {
            let side = i / self.reg_max;
            let k = i % self.reg_max;
            let p = f64::from(self.probabilities[i]);
            let expectation = by_distance[side] * p * (k as f64 - self.distances[side]);
            plane[cell] = (expectation + other(i, p)) as f32;
        }
    }

    /// The bin below a distance, and the fraction of the bin above it.
    fn split(&self, distance: f64) -> (usize, f64) {
        let clamped = distance.clamp(0.0, (self.reg_max - 1) as f64 - TARGET_MARGIN);
        let bin = clamped.floor();
        (bin as usize, clamped - bin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BINS: usize = 5;

    fn example() -> Vec<f32> {
        (0..4 * BINS).map(|i| ((i * 7 % 11) as f32 - 5.0) * 0.4).collect()
    }

    /// The loss whose gradient `write_gradient` computes, implemented independently in f64.
    fn reference(logits: &[f64], by_distance: [f64; 4], target: [f64; 4], focal_weight: f64) -> f64 {
        let mut total = 0.0;
        for (side, x) in logits.chunks(BINS).enumerate() {
            let sum: f64 = x.iter().map(|x| x.exp()).sum();
            let p: Vec<f64> = x.iter().map(|x| x.exp() / sum).collect();
            let distance: f64 = p.iter().enumerate().map(|(k, p)| k as f64 * p).sum();
            let t = target[side].clamp(0.0, 3.99);
            let bin = t as usize;
            let low = bin as f64 + 1.0 - t;
            let high = t - bin as f64;
            total += by_distance[side] * distance;
            total += focal_weight / 4.0 * -(low * p[bin].ln() + high * p[bin + 1].ln());
        }
        total
    }

    #[test]
    fn gradient_is_that_of_finite_differences() {
        let by_distance = [0.7, -1.3, 0.2, 2.0];
        let target = [1.25, -3.0, 9.0, 2.0];
        let weight = 1.7;
        let mut distribution = Distribution::new(BINS);
        let logits = example();
        distribution.read(&logits, 1, 0);
        let mut gradient = vec![0.0; logits.len()];
        distribution.write_gradient(by_distance, target, weight, &mut gradient, 1, 0);
        let wide: Vec<f64> = logits.iter().copied().map(f64::from).collect();
        for (i, gradient) in gradient.into_iter().enumerate() {
            let moved = |by: f64| {
                let mut x = wide.clone();
                x[i] += by;
                reference(&x, by_distance, target, weight)
            };
            let numeric = (moved(1e-5) - moved(-1e-5)) / 2e-5;
            assert!((f64::from(gradient) - numeric).abs() < 2e-6, "logit {i}: {gradient} and {numeric}");
        }
        let value = weight * distribution.focal_loss(target);
        assert!((value - reference(&wide, [0.0; 4], target, weight)).abs() < 1e-6);
    }

    /// Compares with the definition in f64 for the same f32 logits; the code under test uses f32
    /// exponentials.
    #[test]
    fn divergence_of_tempered_distributions_is_the_sum() {
        let first = example();
        let second = example().into_iter().rev().collect::<Vec<_>>();
        for temperature in [1.0, 4.0] {
            let soft = |logits: &[f32]| {
                let mut raw = Distribution::new(BINS);
                let mut soft = Distribution::new(BINS);
                raw.read(logits, 1, 0);
                soft.temper(&raw, temperature);
                soft
            };
            let logarithms = |logits: &[f32]| -> Vec<f64> {
                let side = |x: &[f32]| {
                    let x: Vec<f64> = x.iter().map(|&x| f64::from(x) / f64::from(temperature)).collect();
                    let sum: f64 = x.iter().map(|x| x.exp()).sum();
                    x.into_iter().map(move |x| x - sum.ln()).collect::<Vec<_>>()
                };
                logits.chunks(BINS).flat_map(side).collect()
            };
            let pairs = logarithms(&first).into_iter().zip(logarithms(&second));
            let exact: f64 = pairs.map(|(a, b)| a.exp() * (a - b)).sum::<f64>() / 4.0;
            let first = soft(&first);
            let second = soft(&second);
            let found = first.divergence(&second);
            assert!((found - exact).abs() < 1e-6 && exact > 0.05, "{found} and {exact}");
            assert_eq!(first.divergence(&first), 0.0, "a distribution has no divergence from itself");
        }
    }

    #[test]
    fn a_certain_bin_is_the_distance() {
        let mut planes = vec![-60.0; 4 * BINS];
        for side in 0..4 {
            planes[side * BINS + side] = 60.0;
        }
        let mut distribution = Distribution::new(BINS);
        let distances = distribution.read(&planes, 1, 0);
        assert!(
            distances.iter().zip([0.0, 1.0, 2.0, 3.0]).all(|(d, k)| (d - k).abs() < 1e-12),
            "{distances:?}"
        );
        assert!(distribution.focal_loss([0.0, 1.0, 2.0, 3.0]).abs() < 1e-9);
    }

    #[test]
    fn reads_the_asked_cell() {
        let planes: Vec<f32> = example().into_iter().flat_map(|x| [0.0, x, 1.0]).collect();
        let mut distribution = Distribution::new(BINS);
        let even = distribution.read(&planes, 3, 0);
        assert!(even.iter().all(|d| (d - 2.0).abs() < 1e-6), "{even:?}");
        let found = distribution.read(&planes, 3, 1).map(f64::to_bits);
        assert_eq!(distribution.read(&example(), 1, 0).map(f64::to_bits), found);
    }
}
