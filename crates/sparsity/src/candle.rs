//! [`add_l1`], [`add_scaled_l1`] and [`shrink_var`]: L1 for any candle training loop that has a `GradStore`.

use candle_core::backprop::GradStore;
use candle_core::{Result, Var};

/// Adds `lambda * sign(var)` to the gradient of `var`, with `sign(0) = 0`.
///
/// Call it between `loss.backward()` and the optimiser's step, for the gammas (and betas) of the batch norms.
/// Call it once for each optimiser step, also if gradients of several batches are accumulated, unless each
/// batch should add its own penalty. A variable without a gradient gets the gradient of the penalty alone. If
/// the loss was scaled (half precision), use [`add_scaled_l1`].
///
/// # Errors
/// Errors of candle, for instance for a type without arithmetic.
pub fn add_l1(grads: &mut GradStore, var: &Var, lambda: f64) -> Result<()> {
    add_scaled_l1(grads, var, lambda, 1.0)
}

/// As [`add_l1`], for gradients of a loss that was multiplied by `loss_scale` and not yet divided by it.
///
/// L1 is scaled like the loss, so that after unscaling it is as strong as without scaling. Without this, a
/// common scale of 65536 turns a strength of 1e-2 into 1.5e-7, and nothing becomes sparse.
///
/// # Errors
/// As [`add_l1`].
pub fn add_scaled_l1(grads: &mut GradStore, var: &Var, lambda: f64, loss_scale: f64) -> Result<()> {
    // Detached, so that the penalty is not recorded for the next backward pass.
    let penalty = (var.as_detached_tensor().sign()? * (lambda * loss_scale))?;
    let sum = match grads.get(var) {
        Some(gradient) => (gradient + penalty)?,
        None => penalty,
    };
    grads.insert(var, sum);
    Ok(())
}

/// Moves the values of `var` by `threshold` towards zero, but not past it. Call it after the optimiser's
/// step, instead of [`add_l1`]. Gives exact zeros; see [`shrink`](crate::shrink()) for the threshold.
///
/// # Errors
/// Errors of candle, for instance for a type without arithmetic.
pub fn shrink_var(var: &Var, threshold: f64) -> Result<()> {
    let values = var.as_detached_tensor();
    var.set(&((values.abs()? - threshold)?.relu()? * values.sign()?)?)
}
