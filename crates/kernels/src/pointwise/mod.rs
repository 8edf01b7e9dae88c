//! [`Pointwise`] and its backward: the operations on every value after a convolution, namely batch norm as
//! one multiplication and one addition, SiLU, and the addition of a residual.
//!
//! Each kernel makes one pass over memory, one pixel after another with all its channels; the coefficients
//! stay in the first-level cache. The backward recomputes the activation from the output `y` of the
//! convolution, so no other tensor is kept. It computes the normalised value from `y` and the mean, never
//! from `u` and gamma, because gamma approaches 0 in sparse training.

/// Calls `$self.chunk` with three run-time flags as constants, so that each of the eight loops is compiled
/// without branches.
macro_rules! chunk_of {
    ($self:ident, $s:ident, $memory:ident, $task:ident, [$($flag:expr),* $(,)?]) => {
        match ($($flag),*) {
            (true, true, true) => $self.chunk::<S, true, true, true>($s, $memory, $task),
            (true, true, false) => $self.chunk::<S, true, true, false>($s, $memory, $task),
            (true, false, true) => $self.chunk::<S, true, false, true>($s, $memory, $task),
            (true, false, false) => $self.chunk::<S, true, false, false>($s, $memory, $task),
            (false, true, true) => $self.chunk::<S, false, true, true>($s, $memory, $task),
            (false, true, false) => $self.chunk::<S, false, true, false>($s, $memory, $task),
            (false, false, true) => $self.chunk::<S, false, false, true>($s, $memory, $task),
            (false, false, false) => $self.chunk::<S, false, false, false>($s, $memory, $task),
        }
    };
}

mod forward;
mod gradient;
mod sums;

pub use forward::Pointwise;
pub use gradient::PointwiseGradient;
pub use sums::PointwiseSums;
