//! Nearest-neighbour enlargement by a whole factor.

use crate::error::check_len;
use crate::{KernelError, Nhwc};

/// The shape after enlarging `input` by `factor` in both directions.
///
/// # Errors
///
/// [`KernelError::Factor`] for 0, [`KernelError::TooLarge`] for absurd sizes.
pub fn output(input: Nhwc, factor: usize) -> Result<Nhwc, KernelError> {
    if factor == 0 {
        return Err(KernelError::Factor { factor });
    }
    let enlarged = Nhwc { h: input.h.saturating_mul(factor), w: input.w.saturating_mul(factor), ..input };
    if enlarged.len() == usize::MAX {
        return Err(KernelError::TooLarge { what: "the upsampled image" });
    }
    Ok(enlarged)
}

/// Repeats every pixel of `x` (sizes `input`) `factor` times in both directions.
///
/// # Errors
///
/// As [`output`], or [`KernelError::Length`].
pub fn forward(input: Nhwc, factor: usize, x: &[f32], y: &mut [f32]) -> Result<(), KernelError> {
    let out = output(input, factor)?;
    check_len("upsample::forward", "x", input.len(), x.len())?;
    check_len("upsample::forward", "y", out.len(), y.len())?;
    for image in 0..out.n {
        for row in 0..out.h {
            for column in 0..out.w {
                let from = input.pixel(image, row / factor, column / factor);
                let to = out.pixel(image, row, column);
                y[to..to + out.c].copy_from_slice(&x[from..from + out.c]);
            }
        }
    }
    Ok(())
}

/// Sums `dy` over the copies of each pixel into `dx` (sizes `input`).
///
/// # Errors
///
/// As [`forward`].
pub fn backward(input: Nhwc, factor: usize, dy: &[f32], dx: &mut [f32]) -> Result<(), KernelError> {
    let out = output(input, factor)?;
    check_len("upsample::backward", "dy", out.len(), dy.len())?;
    check_len("upsample::backward", "dx", input.len(), dx.len())?;
    for image in 0..input.n {
        for row in 0..input.h {
            for column in 0..input.w {
                let to = input.pixel(image, row, column);
                for c in 0..input.c {
                    let mut sum = 0.0f64;
                    for copy in 0..factor * factor {
                        let (down, right) = (copy / factor, copy % factor);
                        sum +=
                            f64::from(dy[out.pixel(image, row * factor + down, column * factor + right) + c]);
                    }
                    dx[to + c] = sum as f32;
                }
            }
        }
    }
    Ok(())
}
