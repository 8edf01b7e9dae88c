//! [`Gaussian`]: mean and variance of a normally distributed value, and [`after_silu`].

/// Mean and variance of a channel's output over images and positions; variance 0 for a constant.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Gaussian {
    pub(crate) mean: f64,
    pub(crate) variance: f64,
}

impl Gaussian {
    /// Whether the output is zero everywhere.
    pub(crate) fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

/// Distance between sample points of the normal density, in standard deviations.
const STEP: f64 = 0.25;
/// Sample points on each side of the mean; the mass beyond 8 standard deviations is 1e-15.
const SIDE: i32 = 32;

/// Mean and variance of `x * sigmoid(x)`.
///
/// Uses the trapezoid rule, which for a smooth function under a normal density converges faster than any
/// power of the step. With variance 0 the result is the function value itself.
pub(crate) fn after_silu(x: Gaussian) -> Gaussian {
    if x.variance == 0.0 {
        return Gaussian { mean: silu(x.mean), variance: 0.0 };
    }
    let deviation = x.variance.sqrt();
    let mut mass = 0.0;
    let mut first = 0.0;
    let mut second = 0.0;
    for i in -SIDE..=SIDE {
        let z = STEP * f64::from(i);
        let weight = (-0.5 * z * z).exp();
        let value = silu(x.mean + deviation * z);
        mass += weight;
        first += weight * value;
        second += weight * value * value;
    }
    let mean = first / mass;
    Gaussian { mean, variance: (second / mass - mean * mean).max(0.0) }
}

fn silu(x: f64) -> f64 {
    x / (1.0 + (-x).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Mean and deviation of x; mean and variance of SiLU(x).
    const KNOWN: [(f64, f64, (f64, f64)); 4] = [
        (0.0, 1.0, (0.206_620_964_142, 0.313_083_296_994)),
        (-0.5, 0.1, (-0.186_568_339_521, 0.000_691_587_764)),
        (1.5, 2.0, (1.584_459_435_737, 2.777_750_443_699)),
        (-2.0, 0.5, (-0.230_713_899_705, 0.001_470_244_814)),
    ];

    /// Compares with adaptive quadrature (`scipy.integrate.quad`).
    #[test]
    fn known_means_and_variances() {
        for (mean, deviation, expected) in KNOWN {
            let x = Gaussian { mean, variance: deviation * deviation };
            let y = after_silu(x);
            assert!((y.mean - expected.0).abs() < 1e-9, "{x:?} {y:?}");
            assert!((y.variance - expected.1).abs() < 1e-9, "{x:?} {y:?}");
        }
    }

    #[test]
    fn a_constant_stays_one() {
        let y = after_silu(Gaussian { mean: -0.7, variance: 0.0 });
        assert_eq!((y.mean, y.variance), (-0.7 / (1.0 + 0.7f64.exp()), 0.0));
    }
}
