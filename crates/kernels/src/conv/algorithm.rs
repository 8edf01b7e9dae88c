//! [`Algorithm`]: how a convolution is computed, and [`WinogradMode`], which says what may be chosen.

/// Algorithm of a convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// Direct multiplication and addition, with sums in registers.
    Direct,
    /// Winograd's F(4x4, 3x3): fewer multiplications, slightly larger rounding errors.
    Winograd,
    /// Depthwise: every channel has its own window of weights; see
    /// [`Conv::depthwise`](super::Conv::depthwise).
    Depthwise,
}

/// Whether [`Conv::new`](super::Conv::new) may select Winograd's algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WinogradMode {
    /// Wherever it is faster.
    #[default]
    Auto,
    /// Never.
    Off,
}
