//! What is done to every value after a convolution, and its backward: batch norm as one multiplication and one addition,
//! SiLU, and the addition of a residual.
//!
//! Each is one pass over memory, pixel after pixel with all channels; coefficients come from the first-level cache.
//! The backward recomputes the activation from the convolution's output `y`: nothing else is kept.
//! The normalised value is taken from `y` and the mean, never from `u` and gamma, which goes to 0 in sparse training.

/// Calls `$self.chunk` with three run-time flags as constants, so that each of the eight loops is compiled without branches.
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
