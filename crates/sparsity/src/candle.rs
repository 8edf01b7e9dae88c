//! The same for candle: any training loop that holds a `GradStore`.

use candle_core::backprop::GradStore;
use candle_core::{Result, Var};

/// Adds `lambda * sign(var)` to the gradient of `var`, with `sign(0) = 0`.
///
/// To be called between `loss.backward()` and the optimiser's step, for the gammas (and betas) of the batch norms: once
/// for each optimiser step, also where gradients of several batches are added up, unless each batch is to add its own.
/// A variable that the loss does not reach has no gradient; it then gets that of the penalty alone.
/// Where the loss was scaled (half precision), see [`add_scaled_l1`].
///
/// # Errors
/// What candle reports, for instance a type that has no arithmetic.
pub fn add_l1(grads: &mut GradStore, var: &Var, lambda: f64) -> Result<()> {
    add_scaled_l1(grads, var, lambda, 1.0)
}

/// As [`add_l1`], for gradients of a loss that was multiplied by `loss_scale` and that are yet to be divided by it.
///
/// L1 is scaled like the loss, so that it is as strong as without scaling once gradients are unscaled. Left out, a
/// common scale of 65536 makes a strength of 1e-2 one of 1.5e-7, and nothing becomes sparse.
///
/// # Errors
/// As [`add_l1`].
pub fn add_scaled_l1(grads: &mut GradStore, var: &Var, lambda: f64, loss_scale: f64) -> Result<()> {
    // Detached: the penalty is no part of the next step's tape.
    let penalty = (var.as_detached_tensor().sign()? * (lambda * loss_scale))?;
    let sum = match grads.get(var) {
        Some(gradient) => (gradient + penalty)?,
        None => penalty,
    };
    grads.insert(var, sum);
    Ok(())
}

/// Moves the values of `var` by `threshold` towards zero, and no further: after the optimiser's step, instead of
/// [`add_l1`]. Makes true zeros; see [`shrink`](crate::shrink()) for the threshold.
///
/// # Errors
/// What candle reports, for instance a type that has no arithmetic.
pub fn shrink_var(var: &Var, threshold: f64) -> Result<()> {
    let values = var.as_detached_tensor();
    var.set(&((values.abs()? - threshold)?.relu()? * values.sign()?)?)
}
