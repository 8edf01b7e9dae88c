//! [`imitate`]: divergence of two softmaxes over the cells of one channel of one image, and its gradient.
//!
//! A softmax does not depend on the mean of its inputs, so a plane needs only its scale factor. The loops
//! over 32 values compile to vector code, with one exponential per value and side; sums are f32 within 32
//! values and f64 beyond. Each operation is rounded in the same way on every machine.

#![expect(
    clippy::inline_always,
    reason = "a call that is not inlined would not be compiled for the wide vectors of its caller"
)]

use multiversion::multiversion;

use crate::sigmoid::{LANES, exp_negative, sum_lanes};

/// The plane of student or teacher, and the factor of its values before the softmax: 1 / (deviation tau).
#[derive(Debug, Clone, Copy)]
pub(super) struct Sharpened<'a> {
    pub(super) values: &'a [f32],
    pub(super) factor: f32,
}

/// Returns KL(softmax of the teacher || softmax of the student); writes `scale` times (softmax of the student
/// - softmax of the teacher). All slices have the length of the plane; `scratch` is overwritten.
#[multiversion(targets("x86_64+avx+avx2+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx+avx2"))]
pub(super) fn imitate(
    student: Sharpened,
    teacher: Sharpened,
    scale: f64,
    scratch: &mut [f32],
    gradient: &mut [f32],
) -> f64 {
    let highest = [highest(student.values), highest(teacher.values)];
    let mut sums = Sums::default();
    let (students, student_rest) = student.values.as_chunks::<LANES>();
    let (teachers, teacher_rest) = teacher.values.as_chunks::<LANES>();
    let (gradients, gradient_rest) = gradient.as_chunks_mut::<LANES>();
    let (scratches, scratch_rest) = scratch.as_chunks_mut::<LANES>();
    for (((s, t), e_s), e_t) in students.iter().zip(teachers).zip(gradients).zip(scratches) {
        let mut gaps = [0.0f32; LANES];
        for i in 0..LANES {
            let u_s = (s[i] - highest[0]) * student.factor;
            let u_t = (t[i] - highest[1]) * teacher.factor;
            (e_s[i], e_t[i]) = (exp_negative(u_s), exp_negative(u_t));
            gaps[i] = e_t[i] * (u_t - u_s);
        }
        sums.student += f64::from(sum_lanes(*e_s));
        sums.teacher += f64::from(sum_lanes(*e_t));
        sums.gap += f64::from(sum_lanes(gaps));
    }
    for (((s, t), e_s), e_t) in student_rest.iter().zip(teacher_rest).zip(gradient_rest).zip(scratch_rest) {
        let u_s = (s - highest[0]) * student.factor;
        let u_t = (t - highest[1]) * teacher.factor;
        (*e_s, *e_t) = (exp_negative(u_s), exp_negative(u_t));
        sums.student += f64::from(*e_s);
        sums.teacher += f64::from(*e_t);
        sums.gap += f64::from(*e_t * (u_t - u_s));
    }

    let by_student = (scale / sums.student) as f32;
    let by_teacher = (scale / sums.teacher) as f32;
    for (g, e_t) in gradient.iter_mut().zip(scratch) {
        *g = *g * by_student - *e_t * by_teacher;
    }
    sums.gap / sums.teacher + sums.student.ln() - sums.teacher.ln()
}

/// Sums of the exponentials, and of the teacher's exponentials times the difference of the exponents.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    student: f64,
    teacher: f64,
    gap: f64,
}

/// The largest value; NaN is ignored here, but makes the exponentials NaN.
#[inline(always)]
fn highest(values: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let (chunks, rest) = values.as_chunks::<LANES>();
    for chunk in chunks {
        for i in 0..LANES {
            lanes[i] = if chunk[i] > lanes[i] { chunk[i] } else { lanes[i] };
        }
    }
    lanes.iter().chain(rest).fold(f32::NEG_INFINITY, |m, &v| if v > m { v } else { m })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn soft(values: &[f32], factor: f64) -> Vec<f64> {
        let e: Vec<f64> = values.iter().map(|&v| (f64::from(v) * factor).exp()).collect();
        let sum: f64 = e.iter().sum();
        e.into_iter().map(|e| e / sum).collect()
    }

    /// Compares with f64 loops; the exponentials are f32, so the tolerance is 1e-6 of the summed values.
    #[test]
    fn planes_of_any_size_agree_with_the_definition() {
        for n in [1, 31, 32, 33, 100, 1600] {
            let student: Vec<f32> = (0..n).map(|i| (i as f32 * 1.3).sin() * 4.0).collect();
            let teacher: Vec<f32> = (0..n).map(|i| (i as f32 * 0.7).cos() * 6.0 + 50.0).collect();
            let mut scratch = vec![9.0; n];
            let mut gradient = vec![9.0; n];
            let sides = [(&student, 0.5), (&teacher, 0.25)]
                .map(|(values, factor)| Sharpened { values: values.as_slice(), factor });
            let found = imitate(sides[0], sides[1], 3.0, &mut scratch, &mut gradient);
            let q_s = soft(&student, 0.5);
            let q_t = soft(&teacher, 0.25);
            let exact: f64 = q_t.iter().zip(&q_s).map(|(t, s)| t * (t / s).ln()).sum();
            assert!((found - exact).abs() < 1e-6 * exact.max(1.0), "{n}: {found} and {exact}");
            for (i, g) in gradient.iter().enumerate() {
                let exact = 3.0 * (q_s[i] - q_t[i]);
                assert!((f64::from(*g) - exact).abs() < 3e-6, "{n}, {i}: {g} and {exact}");
            }
        }
    }

    #[test]
    fn nan_stays_nan() {
        let good = [1.0; 40];
        let bad = [f32::NAN; 40];
        let side = |values| Sharpened { values, factor: 1.0 };
        let mut scratch = [0.0; 40];
        let mut gradient = [0.0; 40];
        assert!(imitate(side(&bad), side(&good), 1.0, &mut scratch, &mut gradient).is_nan());
        assert!(gradient.iter().all(|g| g.is_nan()));
    }
}
