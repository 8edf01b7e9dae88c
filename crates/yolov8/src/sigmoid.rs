//! [`sigmoid`], softplus, exponential and their cross-entropies, in forms that compile to vector code.
//!
//! `f32::exp` is a function call per value. The class loss needs one for every anchor and class, so the calls
//! would take longer than everything else. These are branch-free polynomials in f32 (relative error below
//! 3e-7, tested against f64). NaN stays NaN, so the loss of a diverged network is NaN.
//!
//! The loops are also compiled for wider vectors, and the program chooses at run time. The rounding of each
//! operation is the same, so every machine gives the same bits.

#![expect(
    clippy::inline_always,
    reason = "a call that is not inlined would not be compiled for the wide vectors of its caller"
)]

use multiversion::multiversion;

/// Number of values that are handled together: several vector registers of any instruction set.
pub(crate) const LANES: usize = 32;

/// e^x for x <= 0; for x below -87 the result is e^-87, about 1.6e-38.
///
/// Uses x = n ln 2 + r with |r| <= ln 2 / 2, a polynomial for e^r (Cephes `expf`), and adds n to the exponent
/// bits.
#[inline(always)]
pub(crate) fn exp_negative(x: f32) -> f32 {
    // Adding 1.5 * 2^23 leaves the nearest integer in the low mantissa bits.
    const ROUND: f32 = 12_582_912.0;
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    // A comparison, not `max`, which would turn NaN into -87.
    let x = if x < -87.0 { -87.0 } else { x };
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = x - n * LN2_HIGH - n * LN2_LOW;
    let p = 1.987_569_1e-4;
    let p = p * r + 1.398_2e-3;
    let p = p * r + 8.333_452e-3;
    let p = p * r + 4.166_579_6e-2;
    let p = p * r + 1.666_666_5e-1;
    let p = p * r + 0.5;
    let y = p * r * r + r + 1.0;
    f32::from_bits(y.to_bits().wrapping_add(shifted.to_bits() << 23))
}

/// ln(1 + t) for t in 0..=1, by the series of 2 artanh(t / (2 + t)); also accurate for tiny t.
#[inline(always)]
fn ln_one_plus(t: f32) -> f32 {
    let s = t / (2.0 + t);
    let z = s * s;
    let p = 1.0 / 13.0;
    let p = p * z + 1.0 / 11.0;
    let p = p * z + 1.0 / 9.0;
    let p = p * z + 1.0 / 7.0;
    let p = p * z + 1.0 / 5.0;
    let p = p * z + 1.0 / 3.0;
    2.0 * s * (p * z + 1.0)
}

/// Sigmoid and softplus, ln(1 + e^x), of one value.
#[inline(always)]
fn sigmoid_softplus(x: f32) -> (f32, f32) {
    let t = exp_negative(-x.abs());
    let above = 1.0 / (1.0 + t);
    let positive = x > 0.0;
    (if positive { above } else { t * above }, if positive { x } else { 0.0 } + ln_one_plus(t))
}

/// Writes `sigmoid(x)` for every x.
#[multiversion(targets("x86_64+avx+avx2+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx+avx2"))]
pub(crate) fn sigmoid(x: &[f32], out: &mut [f32]) {
    for (o, &x) in out.iter_mut().zip(x) {
        *o = sigmoid_softplus(x).0;
    }
}

/// Writes `scale * sigmoid(x)` for every x and returns the sum of the softplus: gradient and value of the
/// binary cross-entropy with logits if every target is 0.
///
/// Sums are f32 within 32 values and f64 beyond.
#[multiversion(targets("x86_64+avx+avx2+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx+avx2"))]
pub(crate) fn background_cross_entropy(x: &[f32], scale: f32, gradient: &mut [f32]) -> f64 {
    let mut sum = 0.0f64;
    let (chunks, rest) = x.as_chunks::<LANES>();
    let (gradient_chunks, gradient_rest) = gradient.as_chunks_mut::<LANES>();
    for (x, gradient) in chunks.iter().zip(gradient_chunks) {
        let mut softplus = [0.0f32; LANES];
        for i in 0..LANES {
            let (sigmoid, value) = sigmoid_softplus(x[i]);
            gradient[i] = scale * sigmoid;
            softplus[i] = value;
        }
        sum += f64::from(sum_lanes(softplus));
    }
    for (&x, gradient) in rest.iter().zip(gradient_rest) {
        let (sigmoid, value) = sigmoid_softplus(x);
        *gradient = scale * sigmoid;
        sum += f64::from(value);
    }
    sum
}

/// Options of [`soft_cross_entropy`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct SoftWeights {
    /// Factor of the gradient.
    pub(crate) scale: f32,
    /// Whether each cross-entropy is multiplied by the gap `|p_t - p_s|`; the gradient then includes the
    /// factor.
    pub(crate) by_gap: bool,
    /// Whether `highest` collects the gaps or the probabilities `p_t`.
    pub(crate) highest_gap: bool,
}

/// Binary cross-entropy of logits `z_s` with the probabilities `p_t` of other logits `z_t`. Returns its sum,
/// writes `scale` times its gradient with respect to `z_s`, and raises each value of `highest` to that of its
/// pair.
///
/// With `d = p_s - p_t` and `H = softplus(z_s) - z_s p_t`, the gradient is `d`, and with the gap
/// `|d| d + sgn(d) p_s (1 - p_s) H`. Sums are f32 within 32 values and f64 beyond.
#[multiversion(targets("x86_64+avx+avx2+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx+avx2"))]
pub(crate) fn soft_cross_entropy(
    student: &[f32],
    teacher: &[f32],
    weights: SoftWeights,
    gradient: &mut [f32],
    highest: &mut [f32],
) -> f64 {
    let mut sum = 0.0f64;
    let (students, student_rest) = student.as_chunks::<LANES>();
    let (teachers, teacher_rest) = teacher.as_chunks::<LANES>();
    let (gradients, gradient_rest) = gradient.as_chunks_mut::<LANES>();
    let (highests, highest_rest) = highest.as_chunks_mut::<LANES>();
    for (((student, teacher), gradient), highest) in
        students.iter().zip(teachers).zip(gradients).zip(highests)
    {
        let mut values = [0.0f32; LANES];
        for i in 0..LANES {
            let pair = SoftPair::new(student[i], teacher[i], weights);
            (values[i], gradient[i]) = (pair.value, pair.gradient);
            highest[i] = if pair.strength > highest[i] { pair.strength } else { highest[i] };
        }
        sum += f64::from(sum_lanes(values));
    }
    for (((&student, &teacher), gradient), highest) in
        student_rest.iter().zip(teacher_rest).zip(gradient_rest).zip(highest_rest)
    {
        let pair = SoftPair::new(student, teacher, weights);
        *gradient = pair.gradient;
        *highest = if pair.strength > *highest { pair.strength } else { *highest };
        sum += f64::from(pair.value);
    }
    sum
}

/// The result for one pair of logits.
struct SoftPair {
    value: f32,
    gradient: f32,
    /// The gap or `p_t`.
    strength: f32,
}

impl SoftPair {
    #[inline(always)]
    fn new(student: f32, teacher: f32, weights: SoftWeights) -> Self {
        let (p_s, softplus) = sigmoid_softplus(student);
        let p_t = sigmoid_softplus(teacher).0;
        let entropy = softplus - student * p_t;
        let d = p_s - p_t;
        let gap = d.abs();
        // Sigmoid increases, so the logits give the sign even if rounding leaves no difference of the
        // probabilities.
        let slope = p_s * (1.0 - p_s) * entropy;
        let slope = if student > teacher {
            slope
        } else if student < teacher {
            -slope
        } else {
            0.0
        };
        let (value, gradient) = if weights.by_gap { (gap * entropy, gap * d + slope) } else { (entropy, d) };
        Self {
            value,
            gradient: weights.scale * gradient,
            strength: if weights.highest_gap { gap } else { p_t },
        }
    }
}

/// Sums pairwise, so that the compiler can add halves of vectors.
#[inline(always)]
pub(crate) fn sum_lanes(mut values: [f32; LANES]) -> f32 {
    let mut half = LANES / 2;
    while half > 0 {
        for i in 0..half {
            values[i] += values[i + half];
        }
        half /= 2;
    }
    values[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponential_is_close_to_f64() {
        for i in 0..200_000 {
            let x = -87.0 * (i as f32 / 200_000.0);
            let exact = f64::from(x).exp();
            assert!((f64::from(exp_negative(x)) - exact).abs() <= 3e-7 * exact, "e^{x}");
        }
        assert!(exp_negative(f32::NAN).is_nan());
        assert!(exp_negative(f32::NEG_INFINITY) < 1e-37);
        assert_eq!(exp_negative(0.0).to_bits(), 1f32.to_bits());
    }

    #[test]
    fn sigmoid_and_softplus_are_close_to_f64() {
        for i in -40_000..=40_000 {
            let x = i as f32 * 2e-3;
            let (sigmoid, softplus) = sigmoid_softplus(x);
            let e = f64::from(x);
            let exact = 1.0 / (1.0 + (-e).exp());
            let exact_softplus = e.max(0.0) + (-e.abs()).exp().ln_1p();
            assert!((f64::from(sigmoid) - exact).abs() <= 4e-7 * exact, "sigmoid({x})");
            assert!((f64::from(softplus) - exact_softplus).abs() <= 4e-7 * exact_softplus, "softplus({x})");
        }
        assert_eq!(sigmoid_softplus(1000.0), (1.0, 1000.0));
        let (sigmoid, softplus) = sigmoid_softplus(f32::NAN);
        assert!(sigmoid.is_nan() && softplus.is_nan());
    }

    #[test]
    fn cross_entropy_of_any_length_is_the_sum() {
        for n in [0, 1, 31, 32, 33, 100] {
            let x: Vec<f32> = (0..n).map(|i| i as f32 * 0.37 - 9.0).collect();
            let mut gradient = vec![0.0; n];
            let sum = background_cross_entropy(&x, 0.5, &mut gradient);
            let exact: f64 = x.iter().map(|&x| f64::from(x).exp().ln_1p()).sum();
            assert!((sum - exact).abs() <= 1e-6 * exact.max(1e-9));
            for (g, x) in gradient.iter().zip(x) {
                assert!((g - 0.5 / (1.0 + (-x).exp())).abs() < 1e-6);
            }
        }
    }

    /// Compares with f64; absolute tolerance, because f32 has probabilities near 1 to 6e-8 and
    /// cross-entropies are below 30.
    #[test]
    fn soft_cross_entropy_of_any_length_is_the_sum() {
        for (n, by_gap, highest_gap) in
            [(0, true, true), (31, false, true), (32, true, false), (500, true, true)]
        {
            let student: Vec<f32> = (0..n).map(|i| (i as f32 * 1.3).sin() * 20.0).collect();
            let teacher: Vec<f32> = (0..n).map(|i| (i as f32 * 0.7).cos() * 15.0).collect();
            let mut gradient = vec![0.0; n];
            let mut highest = vec![0.25; n];
            let weights = SoftWeights { scale: 0.5, by_gap, highest_gap };
            let sum = soft_cross_entropy(&student, &teacher, weights, &mut gradient, &mut highest);
            let mut exact = 0.0;
            for i in 0..n {
                let s = f64::from(student[i]);
                let t = f64::from(teacher[i]);
                let p_t = 1.0 / (1.0 + (-t).exp());
                let gap = |s: f64| (1.0 / (1.0 + (-s).exp()) - p_t).abs();
                let value = |s: f64| {
                    let entropy = p_t * (-s).exp().ln_1p() + (1.0 - p_t) * s.exp().ln_1p();
                    if by_gap { gap(s) * entropy } else { entropy }
                };
                exact += value(s);
                let numeric = 0.5 * (value(s + 1e-5) - value(s - 1e-5)) / 2e-5;
                assert!((f64::from(gradient[i]) - numeric).abs() < 1e-5, "{s} and {t}: {}", gradient[i]);
                let strength = if highest_gap { gap(s) } else { p_t }.max(0.25);
                assert!((f64::from(highest[i]) - strength).abs() < 1e-6, "{s} and {t}: {}", highest[i]);
            }
            assert!((sum - exact).abs() <= 1e-6 * exact, "{n}: {sum} and {exact}");
        }
    }

    #[test]
    fn equal_logits_have_no_gap_and_no_gradient() {
        let x: Vec<f32> = (0..100).map(|i| i as f32 - 50.0).collect();
        let mut gradient = vec![1.0; 100];
        let mut highest = vec![0.0; 100];
        let weights = SoftWeights { scale: 2.0, by_gap: true, highest_gap: true };
        assert_eq!(soft_cross_entropy(&x, &x, weights, &mut gradient, &mut highest), 0.0);
        assert!(gradient.iter().chain(&highest).all(|&v| v == 0.0));
    }
}
