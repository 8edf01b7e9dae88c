//! What is done to every value after a convolution, and its backward: batch norm as one multiplication and one addition,
//! SiLU, and the addition of a residual.
//!
//! Each is one pass over memory, pixel after pixel with all channels; coefficients come from the first-level cache.
//! The backward recomputes the activation from the convolution's output `y`: nothing else is kept.
//! The normalised value is taken from `y` and the mean, never from `u` and gamma, which goes to 0 in sparse training.

mod forward;
mod gradient;
mod sums;

pub use forward::Pointwise;
pub use gradient::PointwiseGradient;
pub use sums::PointwiseSums;
