//! [`Tolerance`]: named limits on the difference of two results.
//!
//! A tolerance is relative to the largest expected magnitude of the whole tensor, not to each element: the
//! rounding error of a sum scales with its terms, so the size of an element near zero does not bound its
//! error.

use bonsai_checkpoint::Array;

/// A named limit on the difference of two results, as a fraction of the largest expected magnitude.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tolerance {
    /// The same operations in the same order: every bit must be equal.
    Exact,
    /// One operation in `f32`, summed in another order: 1e-6, about ten units in the last place.
    Tight,
    /// A whole network in `f32`, or one operation with long sums: 1e-4.
    Close,
    /// Another algorithm or narrower arithmetic (Winograd, fp16): 1e-2.
    Approx,
}

impl Tolerance {
    /// The limit, as a fraction of the largest expected magnitude.
    pub const fn share(self) -> f64 {
        match self {
            Self::Exact => 0.0,
            Self::Tight => 1e-6,
            Self::Close => 1e-4,
            Self::Approx => 1e-2,
        }
    }
}

/// Checks `|actual - expected| <= tolerance * max|expected|` everywhere; a NaN or infinity always fails.
///
/// If all values of `expected` are zero, all values of `actual` must be exactly zero.
///
/// # Panics
/// If lengths differ or a value exceeds the tolerance; the message contains `what`, the index and both
/// numbers.
#[track_caller]
pub fn assert_close<A, E>(actual: &[A], expected: &[E], tolerance: Tolerance, what: &str)
where
    A: Copy + Into<f64>,
    E: Copy + Into<f64>,
{
    assert_eq!(actual.len(), expected.len(), "{what}: number of values");
    let max = expected.iter().fold(0.0f64, |m, e| m.max((*e).into().abs()));
    let limit = tolerance.share() * max;
    let mut worst: Option<(usize, f64)> = None;
    for (i, (a, e)) in actual.iter().zip(expected).enumerate() {
        let (a, e): (f64, f64) = ((*a).into(), (*e).into());
        assert!(a.is_finite() && e.is_finite(), "{what}: value {i} is {a}, expected {e}");
        let difference = (a - e).abs();
        if difference > limit && worst.is_none_or(|(_, d)| difference > d) {
            worst = Some((i, difference));
        }
    }
    if let Some((i, difference)) = worst {
        let (a, e): (f64, f64) = (actual[i].into(), expected[i].into());
        let share = difference / max;
        panic!(
            "{what}: value {i} is {a}, expected {e}: off by {difference:.3e}, \
             {share:.1e} of the largest ({max:.3e}); {tolerance:?} allows {:.0e}",
            tolerance.share()
        );
    }
}

/// [`assert_close`] for arrays; their shapes must be equal too.
///
/// # Panics
/// As [`assert_close`].
#[track_caller]
pub fn assert_arrays_close(actual: &Array, expected: &Array, tolerance: Tolerance, what: &str) {
    assert_eq!(actual.shape(), expected.shape(), "{what}: shape");
    assert_close(actual.data(), expected.data(), tolerance, what);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passes(actual: &[f32], expected: &[f32], tolerance: Tolerance) -> bool {
        std::panic::catch_unwind(|| assert_close(actual, expected, tolerance, "x")).is_ok()
    }

    #[test]
    fn limits_scale_with_the_largest_value() {
        assert!(passes(&[0.009, 100.0], &[0.0, 100.0], Tolerance::Close));
        assert!(!passes(&[0.011, 100.0], &[0.0, 100.0], Tolerance::Close));
        assert!(!passes(&[1.0 + f32::EPSILON], &[1.0], Tolerance::Exact));
        assert!(passes(&[0.0, -0.0], &[0.0, 0.0], Tolerance::Approx));
        assert!(!passes(&[1e-30], &[0.0], Tolerance::Approx));
    }

    #[test]
    fn not_a_number_never_passes() {
        assert!(!passes(&[f32::NAN], &[1.0], Tolerance::Approx));
        assert!(!passes(&[f32::INFINITY], &[f32::INFINITY], Tolerance::Approx));
        assert!(!passes(&[1.0], &[1.0, 2.0], Tolerance::Approx));
    }
}
