//! Element-wise addition: residuals, and gradients of a wire with several consumers.
//!
//! The backward of an addition is its output's gradient, unchanged, for both inputs: there is nothing to
//! compute.

use crate::KernelError;
use crate::error::check_len;

/// Computes `y = a + b`.
///
/// # Errors
///
/// [`KernelError::Length`].
pub fn forward(a: &[f32], b: &[f32], y: &mut [f32]) -> Result<(), KernelError> {
    check_len("add::forward", "b", a.len(), b.len())?;
    check_len("add::forward", "y", a.len(), y.len())?;
    for (y, (&a, &b)) in y.iter_mut().zip(a.iter().zip(b)) {
        *y = a + b;
    }
    Ok(())
}

/// Adds `from` to `into`.
///
/// # Errors
///
/// [`KernelError::Length`].
pub fn accumulate(from: &[f32], into: &mut [f32]) -> Result<(), KernelError> {
    check_len("add::accumulate", "from", into.len(), from.len())?;
    for (into, &from) in into.iter_mut().zip(from) {
        *into += from;
    }
    Ok(())
}
