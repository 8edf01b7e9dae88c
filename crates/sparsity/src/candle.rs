//! The same for candle: any training loop that holds a `GradStore`.

use candle_core::backprop::GradStore;
use candle_core::{Result, Var};

/// Adds `lambda * sign(var)` to the gradient of `var`, with `sign(0) = 0`.
///
/// To be called between `loss.backward()` and the optimiser's step, for the gammas (and betas) of the batch norms.
/// A variable that the loss does not reach has no gradient; it then gets that of the penalty alone.
/// Where the loss was scaled (half precision), scale `lambda` likewise.
///
/// # Errors
/// What candle reports, for instance a type that has no arithmetic.
pub fn add_l1(grads: &mut GradStore, var: &Var, lambda: f64) -> Result<()> {
    // Detached: the penalty is no part of the next step's tape.
    let penalty = (var.as_detached_tensor().sign()? * lambda)?;
    let sum = match grads.get(var) {
        Some(gradient) => (gradient + penalty)?,
        None => penalty,
    };
    grads.insert(var, sum);
    Ok(())
}
