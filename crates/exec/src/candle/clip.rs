//! Gradient clipping: [`gradient_norm`], and [`clipped`] gradients.

use candle_core::{Result, Tensor};
use rayon::prelude::*;

use super::host::host_values;
use super::roles::Roles;
use crate::step::{CHUNK, sum_of_squares};

/// Norm of the gradient over the ranges that are not frozen.
pub(super) fn gradient_norm(roles: &Roles, gradients: &Tensor) -> Result<f32> {
    let host = host_values(gradients);
    let mut total = 0.0f64;
    for (range, _) in roles.trained() {
        total += if let Some(g) = &host {
            g[range].par_chunks(CHUNK).map(sum_of_squares).collect::<Vec<_>>().iter().sum::<f64>()
        } else {
            let g = gradients.narrow(0, range.start, range.len())?;
            f64::from(g.sqr()?.sum_all()?.to_scalar::<f32>()?)
        };
    }
    Ok(total.sqrt() as f32)
}

/// The gradient times `clip`, which is at most 1.
pub(super) fn clipped(gradients: Tensor, clip: f32) -> Result<Tensor> {
    if clip < 1.0 { gradients * f64::from(clip) } else { Ok(gradients) }
}
