//! Bounds of a number that is known before a file runs, or known but for how many objects a picture shows.

/// Sizes and indices beyond 31 bits wrap around in rten, which keeps whole numbers in 32 bits.
const FAR: f64 = 2_147_483_647.0;

/// The lowest and the highest value that a number can have; whole numbers and halves of them are exact.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Span {
    pub(super) lo: f64,
    pub(super) hi: f64,
}

impl Span {
    /// One value.
    pub(super) const fn exactly(value: f64) -> Self {
        Self { lo: value, hi: value }
    }

    /// A size.
    pub(super) const fn size(value: usize) -> Self {
        Self::exactly(value as f64)
    }

    /// Any of 0 to `most`.
    pub(super) const fn up_to(most: f64) -> Self {
        Self { lo: 0.0, hi: most }
    }

    /// `None` for what no 32 bits hold: then nothing is known.
    pub(super) fn checked(lo: f64, hi: f64) -> Option<Self> {
        (lo.abs() <= FAR && hi.abs() <= FAR && lo <= hi).then_some(Self { lo, hi })
    }

    /// As it is stored in a file, where the largest number stands for "to the end".
    pub(super) fn stored(value: f64) -> Option<Self> {
        (!value.is_nan()).then(|| Self::exactly(value.clamp(-FAR, FAR)))
    }

    /// The value, if there is only one.
    pub(super) fn exact(self) -> Option<f64> {
        (self.lo == self.hi).then_some(self.lo)
    }

    /// The value, if there is only one and it is whole.
    pub(super) fn whole(self) -> Option<i64> {
        self.exact().filter(|value| value.fract() == 0.0).map(|value| value as i64)
    }

    /// What both are among.
    pub(super) fn hull(self, other: Self) -> Self {
        Self { lo: self.lo.min(other.lo), hi: self.hi.max(other.hi) }
    }

    /// What a function that only rises, or only falls, makes of it.
    pub(super) fn map(self, f: impl Fn(f64) -> f64) -> Option<Self> {
        let a = f(self.lo);
        let b = f(self.hi);
        Self::checked(a.min(b), a.max(b))
    }

    /// What a function that rises or falls in each of two numbers makes of them.
    pub(super) fn with(self, other: Self, f: impl Fn(f64, f64) -> f64) -> Option<Self> {
        let ends = [f(self.lo, other.lo), f(self.lo, other.hi), f(self.hi, other.lo), f(self.hi, other.hi)];
        if ends.iter().any(|end| end.is_nan()) {
            return None;
        }
        let (lo, hi) = ends.iter().fold((f64::MAX, f64::MIN), |(lo, hi), end| (lo.min(*end), hi.max(*end)));
        Self::checked(lo, hi)
    }
}
