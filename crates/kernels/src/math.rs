//! [`sigmoid`], [`silu`] and [`silu_slope`] for vectors.
//!
//! `sigmoid(x) = 1 / (1 + e^-x)` with `e^-x = 2^n 2^z`, where `n` is an integer, `z` is in `-1/2 ..= 1/2`,
//! and `2^z` is a minimax polynomial of degree 5 (relative error 7.5e-8). SiLU has an error of at most 5 ulp
//! for `|x| < 10` and of at most 7e-8 for negative `x`. NaN stays NaN and infinity gives a value that is not
//! finite, so a diverged network is visible.

use crate::simd::Simd;

/// `log2(e)`.
const LOG2_E: f32 = std::f32::consts::LOG2_E;

/// Coefficients of `2^z`, highest first.
const EXP2: [f32; 6] = [0.001_327_641, 0.009_675_541, 0.055_507_135, 0.240_221_2, 0.693_146_94, 1.000_000_1];

/// `1 / (1 + e^-x)`. On instruction sets where [`Simd::limit`] clamps, NaN is lost.
#[inline(always)]
pub(crate) fn sigmoid<S: Simd>(s: S, x: S::V) -> S::V {
    let x = s.limit(x);
    let factor = s.splat(-LOG2_E);
    let n = s.round(s.mul(x, factor));
    let z = s.fms(x, factor, n);
    let mut power = s.splat(EXP2[0]);
    power = s.fma(power, z, s.splat(EXP2[1]));
    power = s.fma(power, z, s.splat(EXP2[2]));
    power = s.fma(power, z, s.splat(EXP2[3]));
    power = s.fma(power, z, s.splat(EXP2[4]));
    power = s.fma(power, z, s.splat(EXP2[5]));
    let one = s.splat(1.0);
    s.reciprocal(s.add(one, s.scale2(power, n)))
}

/// `x * sigmoid(x)`. The factor `x` is not clamped, so NaN stays NaN.
#[inline(always)]
pub(crate) fn silu<S: Simd>(s: S, x: S::V) -> S::V {
    s.mul(x, sigmoid(s, x))
}

/// Derivative of SiLU, `s + x s (1 - s)` with `s = sigmoid(x)`; it lies in -0.0998 ..= 1.0998.
///
/// The error is at most 1.2e-6: the rounding error of `1 - s` is multiplied by `x`, up to 17, as in PyTorch.
#[inline(always)]
pub(crate) fn silu_slope<S: Simd>(s: S, x: S::V) -> S::V {
    let sigmoid = sigmoid(s, x);
    let silu = s.mul(x, sigmoid);
    s.fma(silu, s.sub(s.splat(1.0), sigmoid), sigmoid)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Isa;
    use crate::simd::WithSimd;

    /// SiLU and its slope of 16 values.
    struct Both([f32; 16]);

    impl WithSimd for Both {
        type Output = [[f32; 16]; 2];

        #[inline(always)]
        fn with<S: Simd>(self, s: S) -> Self::Output {
            let mut results = [[0.0; 16]; 2];
            for at in (0..16).step_by(S::LANES) {
                // SAFETY: `at + LANES` is at most 16, the length of the arrays.
                unsafe {
                    let x = s.load(self.0.as_ptr().add(at));
                    s.store(results[0].as_mut_ptr().add(at), silu(s, x));
                    s.store(results[1].as_mut_ptr().add(at), silu_slope(s, x));
                }
            }
            results
        }
    }

    fn exact(x: f32) -> [f64; 2] {
        let x = f64::from(x);
        let sigmoid = 1.0 / (1.0 + (-x).exp());
        [x * sigmoid, sigmoid + x * sigmoid * (1.0 - sigmoid)]
    }

    /// Distance in units of the last place of the exact value.
    fn ulps(got: f32, exact: f64) -> f64 {
        let place = (exact.abs() as f32).max(f32::MIN_POSITIVE);
        (f64::from(got) - exact).abs() / f64::from(place.next_up() - place)
    }

    #[test]
    fn close_to_the_truth_over_a_dense_sweep() {
        for isa in Isa::available() {
            // Without fused multiplication, the argument of 2^z contains the rounding error of x log2(e). In
            // the slope, 1 - s contains the rounding error of s, multiplied by an x of up to 17 before 1 - s
            // becomes 0.
            let (near, slope_near) = if isa == Isa::PORTABLE { (16.0, 2e-6) } else { (5.0, 1.2e-6) };
            let mut worst = 0.0f64;
            let mut worst_negative = 0.0f64;
            let mut worst_slope = 0.0f64;
            for step in 0..20_000u16 {
                let mut x = [0.0; 16];
                for (lane, x) in x.iter_mut().enumerate() {
                    *x = (f32::from(step) - 10_000.0) * 0.01 + lane as f32 * 0.000_617;
                }
                let [values, slopes] = isa.run(Both(x));
                for lane in 0..16 {
                    let [value, slope] = exact(x[lane]);
                    if x[lane].abs() < 10.0 && x[lane] != 0.0 {
                        worst = worst.max(ulps(values[lane], value));
                    }
                    if x[lane] < 0.0 {
                        worst_negative = worst_negative.max((f64::from(values[lane]) - value).abs());
                    }
                    worst_slope = worst_slope.max((f64::from(slopes[lane]) - slope).abs());
                }
            }
            assert!(worst < near, "{isa}: {worst} ulp");
            assert!(worst_negative < 1e-7, "{isa}: {worst_negative} below 0");
            assert!(worst_slope < slope_near, "{isa}: slope off by {worst_slope}");
        }
    }

    #[test]
    fn zero_stays_zero_and_what_is_not_finite_shows() {
        for isa in Isa::available() {
            let mut x = [0.0; 16];
            x[..8].copy_from_slice(&[
                0.0,
                -0.0,
                f32::NAN,
                f32::INFINITY,
                f32::NEG_INFINITY,
                100.0,
                -100.0,
                1e9,
            ]);
            let [values, slopes] = isa.run(Both(x));
            assert_eq!(values[0].to_bits(), 0);
            assert_eq!(values[1].to_bits(), (-0.0f32).to_bits());
            assert_eq!(slopes[0], 0.5);
            assert!(values[2].is_nan() && slopes[2].is_nan());
            assert!(
                values[3..5].iter().chain(&slopes[3..5]).all(|v| !v.is_finite()),
                "{isa}: {values:?} {slopes:?}"
            );
            assert!(values[5] == 100.0 && values[6].abs() < 1e-30 && values[7] == 1e9, "{isa}: {values:?}");
        }
    }
}
