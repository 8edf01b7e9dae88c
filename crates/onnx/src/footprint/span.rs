//! [`Span`]: bounds of a number that is known before a file runs, exactly or within limits.

/// Largest size or index. Larger ones wrap around in rten, which keeps integers in 32 bits.
const FAR: f64 = 2_147_483_647.0;

/// The lowest and the highest value that a number can have; integers and halves are exact.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Span {
    pub(super) lo: f64,
    pub(super) hi: f64,
}

impl Span {
    /// Exactly one value.
    pub(super) const fn exactly(value: f64) -> Self {
        Self { lo: value, hi: value }
    }

    /// A known size.
    pub(super) const fn size(value: usize) -> Self {
        Self::exactly(value as f64)
    }

    /// Any value from 0 to `most`.
    pub(super) const fn up_to(most: f64) -> Self {
        Self { lo: 0.0, hi: most }
    }

    /// The span, or `None` if 32 bits cannot hold it: then nothing is known.
    pub(super) fn checked(lo: f64, hi: f64) -> Option<Self> {
        (lo.abs() <= FAR && hi.abs() <= FAR && lo <= hi).then_some(Self { lo, hi })
    }

    /// A number from a file, where the largest integer means "to the end" and is limited here.
    pub(super) fn stored(value: f64) -> Option<Self> {
        (!value.is_nan()).then(|| Self::exactly(value.clamp(-FAR, FAR)))
    }

    /// The value, if there is only one.
    pub(super) fn exact(self) -> Option<f64> {
        (self.lo == self.hi).then_some(self.lo)
    }

    /// The value, if there is only one and it is an integer.
    pub(super) fn whole(self) -> Option<i64> {
        self.exact().filter(|value| value.fract() == 0.0).map(|value| value as i64)
    }

    /// The smallest span that contains both.
    pub(super) fn hull(self, other: Self) -> Self {
        Self { lo: self.lo.min(other.lo), hi: self.hi.max(other.hi) }
    }

    /// The span of the results of a monotonic function.
    pub(super) fn map(self, f: impl Fn(f64) -> f64) -> Option<Self> {
        let a = f(self.lo);
        let b = f(self.hi);
        Self::checked(a.min(b), a.max(b))
    }

    /// The span of the results of a function that is monotonic in each of two numbers.
    pub(super) fn with(self, other: Self, f: impl Fn(f64, f64) -> f64) -> Option<Self> {
        let ends = [f(self.lo, other.lo), f(self.lo, other.hi), f(self.hi, other.lo), f(self.hi, other.hi)];
        if ends.iter().any(|end| end.is_nan()) {
            return None;
        }
        let (lo, hi) = ends.iter().fold((f64::MAX, f64::MIN), |(lo, hi), end| (lo.min(*end), hi.max(*end)));
        Self::checked(lo, hi)
    }
}
