//! SiLU, `x * sigmoid(x)`: the activation of every hidden layer.
//!
//! SiLU(0) = 0, which is what lets a channel with gamma = beta = 0 be removed.

use crate::KernelError;
use crate::error::check_len;

/// Computes `y = silu(x)`.
///
/// # Errors
///
/// [`KernelError::Length`].
pub fn forward(x: &[f32], y: &mut [f32]) -> Result<(), KernelError> {
    check_len("silu::forward", "y", x.len(), y.len())?;
    for (y, &x) in y.iter_mut().zip(x) {
        let x = f64::from(x);
        *y = (x * sigmoid(x)) as f32;
    }
    Ok(())
}

/// Computes `dx` from the **input** `x` of the activation and the gradient `dy` of its output.
///
/// # Errors
///
/// [`KernelError::Length`].
pub fn backward(x: &[f32], dy: &[f32], dx: &mut [f32]) -> Result<(), KernelError> {
    check_len("silu::backward", "dy", x.len(), dy.len())?;
    check_len("silu::backward", "dx", x.len(), dx.len())?;
    for (dx, (&x, &dy)) in dx.iter_mut().zip(x.iter().zip(dy)) {
        let x = f64::from(x);
        let s = sigmoid(x);
        *dx = (f64::from(dy) * s * (1.0 + x * (1.0 - s))) as f32;
    }
    Ok(())
}

/// For very negative `x` the exponential is infinite and the quotient 0, as it should be.
fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values() {
        let x = [0.0, 1.0, -1.0, 100.0, -100.0, -1e30, 1e30];
        let (mut y, mut dx) = ([0.0; 7], [0.0; 7]);
        forward(&x, &mut y).unwrap();
        backward(&x, &[1.0; 7], &mut dx).unwrap();
        let expected = [0.0, 0.731_058_6, -0.268_941_43, 100.0, -3.72e-42, 0.0, 1e30];
        let slopes = [0.5, 0.927_670_5, 0.072_329_49, 1.0, 0.0, 0.0, 1.0];
        for i in 0..x.len() {
            assert!(
                (y[i] - expected[i]).abs() <= 1e-6 * expected[i].abs() + 1e-40,
                "silu({}) = {}",
                x[i],
                y[i]
            );
            assert!((dx[i] - slopes[i]).abs() < 1e-6, "silu'({}) = {}", x[i], dx[i]);
        }
    }
}
