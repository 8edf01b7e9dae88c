//! [`LeastSquares`]: ridge regression of several targets on the same inputs, from sums over samples.

use nalgebra::{Cholesky, DMatrix, DVector};

/// Ridge penalties that are tried, as fractions of the mean variance of an input, from the strongest.
const RIDGES: [f64; 5] = [1.0, 1e-1, 1e-2, 1e-3, 1e-4];
/// Number of targets on which penalties are compared; solving for all of them takes longer than the
/// factorisation.
const COMPARED: usize = 32;

/// Sums over samples, from which the regression is solved.
#[derive(Debug, Clone)]
pub(super) struct LeastSquares {
    samples: usize,
    /// Sum of inputs x inputs, `[inputs, inputs]`.
    xx: DMatrix<f64>,
    /// Sum of inputs x targets, `[inputs, targets]`.
    xy: DMatrix<f64>,
    x: DVector<f64>,
    y: DVector<f64>,
    /// Sum of the squares of each target.
    yy: DVector<f64>,
}

/// A linear function of the inputs.
#[derive(Debug, Clone)]
pub(super) struct Fit {
    /// `[inputs, targets]`.
    pub(super) slope: DMatrix<f64>,
    /// `[targets]`; zeros without intercept.
    pub(super) intercept: DVector<f64>,
}

impl Fit {
    pub(super) fn zero(inputs: usize, targets: usize) -> Self {
        Self { slope: DMatrix::zeros(inputs, targets), intercept: DVector::zeros(targets) }
    }
}

/// Means and covariances of a set of samples; without intercept, the means are zero and the covariances
/// second moments.
struct Moments {
    xx: DMatrix<f64>,
    xy: DMatrix<f64>,
    x: DVector<f64>,
    y: DVector<f64>,
    yy: DVector<f64>,
}

impl LeastSquares {
    pub(super) fn new(inputs: usize, targets: usize) -> Self {
        Self {
            samples: 0,
            xx: DMatrix::zeros(inputs, inputs),
            xy: DMatrix::zeros(inputs, targets),
            x: DVector::zeros(inputs),
            y: DVector::zeros(targets),
            yy: DVector::zeros(targets),
        }
    }

    /// Bytes of the sums.
    pub(super) const fn bytes(inputs: usize, targets: usize) -> usize {
        (inputs + 1) * (inputs + targets + 1) * size_of::<f64>()
    }

    /// Adds samples: `inputs` is `[inputs, samples]`, `targets` is `[targets, samples]`.
    pub(super) fn add(&mut self, inputs: &DMatrix<f64>, targets: &DMatrix<f64>) {
        self.samples += inputs.ncols();
        self.xx.gemm(1.0, inputs, &inputs.transpose(), 1.0);
        self.xy.gemm(1.0, inputs, &targets.transpose(), 1.0);
        self.x += inputs.column_sum();
        self.y += targets.column_sum();
        self.yy += targets.map(|y| y * y).column_sum();
    }

    fn merged(&self, other: &Self) -> Self {
        Self {
            samples: self.samples + other.samples,
            xx: &self.xx + &other.xx,
            xy: &self.xy + &other.xy,
            x: &self.x + &other.x,
            y: &self.y + &other.y,
            yy: &self.yy + &other.yy,
        }
    }

    /// Moments about the means of these samples, or about 0 without intercept.
    fn moments(&self, intercept: bool) -> Moments {
        let n = self.samples.max(1) as f64;
        let centre = if intercept { 1.0 } else { 0.0 };
        self.moments_about(&self.x * (centre / n), &self.y * (centre / n))
    }

    /// Moments about the given centre: the mean of `(x - centre_x) (y - centre_y)` and so on.
    fn moments_about(&self, x: DVector<f64>, y: DVector<f64>) -> Moments {
        let n = self.samples.max(1) as f64;
        let (mean_x, mean_y) = (&self.x / n, &self.y / n);
        let about = |product: DMatrix<f64>, mean: [&DVector<f64>; 2], centre: [&DVector<f64>; 2]| {
            product - mean[0] * centre[1].transpose() - centre[0] * (mean[1] - centre[1]).transpose()
        };
        Moments {
            xx: about(&self.xx / n, [&mean_x, &mean_x], [&x, &x]),
            xy: about(&self.xy / n, [&mean_x, &mean_y], [&x, &y]),
            yy: &self.yy / n - (2.0 * &mean_y - &y).component_mul(&y),
            x,
            y,
        }
    }

    /// Fits both halves of the samples together. The ridge penalty is the one whose fit on `self` has the
    /// smallest squared error on `held_back`; penalties are tried from the strongest until a weaker one is
    /// not better.
    ///
    /// Also returns the fraction of the squared error in `held_back` that the fit on `self` removes, compared
    /// with the means of `self` alone, or with zeros without intercept. If no penalty removes any, the slope is
    /// zero.
    pub(super) fn fit(&self, held_back: &Self, intercept: bool) -> (Fit, f64) {
        let train = self.moments(intercept);
        // About the means of the fit, so that an error of the intercept counts too.
        let test = held_back.moments_about(train.x.clone(), train.y.clone()).some_targets();
        let train = train.some_targets();
        let mut best: Option<(f64, f64)> = None;
        for ridge in RIDGES {
            let explained = train.slope(ridge).map_or(0.0, |slope| test.explained(&slope));
            let is_better = explained > best.map_or(0.0, |(_, explained)| explained);
            if !is_better {
                break;
            }
            best = Some((ridge, explained));
        }
        let all = self.merged(held_back).moments(intercept);
        match best.and_then(|(ridge, explained)| Some((all.slope(ridge)?, explained))) {
            Some((slope, explained)) => (all.with_intercept(slope), explained),
            None => (all.with_intercept(DMatrix::zeros(self.x.len(), self.y.len())), 0.0),
        }
    }
}

impl Moments {
    /// The same inputs with at most [`COMPARED`] of the targets, taken evenly.
    fn some_targets(self) -> Self {
        let step = self.y.len().div_ceil(COMPARED).max(1);
        let kept: Vec<usize> = (0..self.y.len()).step_by(step).collect();
        Self {
            xy: self.xy.select_columns(&kept),
            y: self.y.select_rows(&kept),
            yy: self.yy.select_rows(&kept),
            ..self
        }
    }

    /// The slope `[inputs, targets]`; `None` if the inputs do not vary or a value is not finite.
    fn slope(&self, ridge: f64) -> Option<DMatrix<f64>> {
        let inputs = self.xx.nrows();
        let mean_variance = self.xx.trace() / inputs as f64;
        if !mean_variance.is_finite() || mean_variance <= 0.0 {
            return None;
        }
        let mut regularised = self.xx.clone();
        (0..inputs).for_each(|i| regularised[(i, i)] += ridge * mean_variance);
        Some(Cholesky::new(regularised)?.solve(&self.xy))
    }

    /// The fraction of the second moments of the targets that a slope explains.
    fn explained(&self, slope: &DMatrix<f64>) -> f64 {
        let all = self.yy.sum();
        if all <= 0.0 {
            return 0.0;
        }
        let error = all - 2.0 * slope.dot(&self.xy) + slope.dot(&(&self.xx * slope));
        1.0 - error / all
    }

    fn with_intercept(&self, slope: DMatrix<f64>) -> Fit {
        let intercept = &self.y - slope.tr_mul(&self.x);
        Fit { slope, intercept }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Inputs `[3, n]` with a pattern, and targets `2 x0 - x2 + 5` and noise.
    fn samples(first: usize, n: usize) -> (DMatrix<f64>, DMatrix<f64>) {
        let inputs = DMatrix::from_fn(3, n, |row, column| {
            let t = (first + column) as f64;
            (t * (0.7 + row as f64)).sin() + row as f64
        });
        let targets = DMatrix::from_fn(2, n, |row, column| match row {
            0 => 2.0 * inputs[(0, column)] - inputs[(2, column)] + 5.0,
            _ => ((first + column) as f64 * 1234.5).sin(),
        });
        (inputs, targets)
    }

    fn sums(first: usize, n: usize) -> LeastSquares {
        let mut sums = LeastSquares::new(3, 2);
        for part in 0..4 {
            let (inputs, targets) = samples(first + part * n, n);
            sums.add(&inputs, &targets);
        }
        sums
    }

    /// The target follows the input in the fitted half, and a constant separates the halves: a slope that
    /// explains the variance within each half is worth nothing if it shifts the mean of the other half.
    #[test]
    fn an_error_of_the_mean_counts() {
        let half = |shift: f64| {
            let mut sums = LeastSquares::new(1, 1);
            let x = |t: usize| (t as f64 * 0.7).sin();
            sums.add(
                &DMatrix::from_fn(1, 50, |_, t| x(t) + shift),
                &DMatrix::from_fn(1, 50, |_, t| x(t) - shift),
            );
            sums
        };
        assert!(half(0.0).fit(&half(0.0), true).1 > 0.99);
        let (fit, explained) = half(0.0).fit(&half(3.0), true);
        assert_eq!((fit.slope[(0, 0)], explained), (0.0, 0.0));
    }

    #[test]
    fn a_linear_function_is_found() {
        let (fit, explained) = sums(0, 50).fit(&sums(200, 50), true);
        for (input, expected) in [2.0, 0.0, -1.0].into_iter().enumerate() {
            assert!((fit.slope[(input, 0)] - expected).abs() < 1e-3, "{}", fit.slope);
        }
        assert!((fit.intercept[0] - 5.0).abs() < 2e-3, "{}", fit.intercept);
        // The second target is noise, so that only the variance of the first can be explained.
        assert!((0.5..0.95).contains(&explained), "{explained}");
    }

    #[test]
    fn no_slope_is_used_if_it_explains_nothing() {
        let mut train = LeastSquares::new(1, 1);
        train.add(
            &DMatrix::from_row_slice(1, 3, &[0.0, 1.0, 2.0]),
            &DMatrix::from_row_slice(1, 3, &[0.0, 1.0, 2.0]),
        );
        let mut test = LeastSquares::new(1, 1);
        test.add(
            &DMatrix::from_row_slice(1, 3, &[0.0, 1.0, 2.0]),
            &DMatrix::from_row_slice(1, 3, &[2.0, 1.0, 0.0]),
        );
        let (fit, explained) = train.fit(&test, true);
        assert_eq!((fit.slope[(0, 0)], explained), (0.0, 0.0));
        assert!((fit.intercept[0] - 1.0).abs() < 1e-12);
    }

    #[test]
    fn constant_inputs_leave_a_constant() {
        let mut sums = LeastSquares::new(2, 1);
        sums.add(&DMatrix::zeros(2, 5), &DMatrix::repeat(1, 5, 3.0));
        let (fit, _) = sums.clone().fit(&sums, true);
        assert_eq!((fit.slope.norm(), fit.intercept[0]), (0.0, 3.0));
        let (fit, _) = sums.clone().fit(&sums, false);
        assert_eq!(fit.intercept[0], 0.0);
    }
}
