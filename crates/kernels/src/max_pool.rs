//! Maximum over a sliding window.
//!
//! Padding counts as minus infinity, not as zero: SiLU outputs can be negative, and a padded zero would win
//! at the border. Of equal values the first in reading order is the maximum, and a NaN always is, as in
//! PyTorch.

use crate::error::check_len;
use crate::{KernelError, PoolShape};

/// Computes `y` and, for the backward pass, which tap (row * kernel width + column) held each maximum.
///
/// # Shapes
///
/// `x` is `shape.input()`; `y` and `argmax` are `shape.output()`.
///
/// # Errors
///
/// [`KernelError::Length`].
pub fn forward(shape: &PoolShape, x: &[f32], y: &mut [f32], argmax: &mut [u8]) -> Result<(), KernelError> {
    const NAME: &str = "max_pool::forward";
    let (input, output, window) = (shape.input(), shape.output(), shape.window());
    check_len(NAME, "x", input.len(), x.len())?;
    check_len(NAME, "y", output.len(), y.len())?;
    check_len(NAME, "argmax", output.len(), argmax.len())?;
    y.fill(f32::NEG_INFINITY);
    for (index, y) in y.chunks_exact_mut(output.c.max(1)).enumerate() {
        let argmax = &mut argmax[index * output.c..][..output.c];
        let (column, row, image) =
            (index % output.w, index / output.w % output.h, index / output.w / output.h);
        let mut untouched = true;
        for tap in 0..window.area() {
            let (ky, kx) = (tap / window.kernel[1], tap % window.kernel[1]);
            let (Some(in_row), Some(in_column)) =
                (window.input_of(0, row, ky, input.h), window.input_of(1, column, kx, input.w))
            else {
                continue;
            };
            let x = &x[input.pixel(image, in_row, in_column)..][..input.c];
            for ((y, argmax), &x) in y.iter_mut().zip(argmax.iter_mut()).zip(x) {
                // The first pixel is taken whatever it is, else a window of minus infinities would point
                // nowhere.
                if untouched || x > *y || (x.is_nan() && !y.is_nan()) {
                    *y = x;
                    *argmax = tap as u8;
                }
            }
            untouched = false;
        }
    }
    Ok(())
}

/// Routes `dy` to the pixels that were maxima: each sums what it gets, all others get 0.
///
/// # Shapes
///
/// `dy` and `argmax` are `shape.output()`, `dx` is `shape.input()`.
///
/// # Errors
///
/// [`KernelError::Length`].
pub fn backward(shape: &PoolShape, dy: &[f32], argmax: &[u8], dx: &mut [f32]) -> Result<(), KernelError> {
    const NAME: &str = "max_pool::backward";
    let (input, output, window) = (shape.input(), shape.output(), shape.window());
    check_len(NAME, "dy", output.len(), dy.len())?;
    check_len(NAME, "argmax", output.len(), argmax.len())?;
    check_len(NAME, "dx", input.len(), dx.len())?;
    let mut sums = vec![0.0f64; input.c];
    for (index, dx) in dx.chunks_exact_mut(input.c.max(1)).enumerate() {
        let (column, row, image) = (index % input.w, index / input.w % input.h, index / input.w / input.h);
        sums.fill(0.0);
        for tap in 0..window.area() {
            let (ky, kx) = (tap / window.kernel[1], tap % window.kernel[1]);
            let (Some(out_row), Some(out_column)) =
                (window.output_of(0, row, ky, output.h), window.output_of(1, column, kx, output.w))
            else {
                continue;
            };
            let from = output.pixel(image, out_row, out_column);
            for (c, sum) in sums.iter_mut().enumerate() {
                if usize::from(argmax[from + c]) == tap {
                    *sum += f64::from(dy[from + c]);
                }
            }
        }
        for (dx, &sum) in dx.iter_mut().zip(&sums) {
            *dx = sum as f32;
        }
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "nothing is rounded here")]
mod tests {
    use super::*;
    use crate::{Nhwc, Window};

    #[test]
    fn padding_never_wins_and_the_first_of_equals_does() {
        let shape = PoolShape::new(Nhwc::new(1, 2, 2, 1), Window::square(3, 1, 1)).unwrap();
        let (mut y, mut argmax, mut dx) = ([0.0; 4], [0; 4], [0.0; 4]);
        forward(&shape, &[-3.0, -1.0, -1.0, -2.0], &mut y, &mut argmax).unwrap();
        assert_eq!(y, [-1.0; 4]);
        // The pixel at (0, 1), seen from each of the four positions.
        assert_eq!(argmax, [5, 4, 2, 1]);
        backward(&shape, &[1.0, 2.0, 3.0, 4.0], &argmax, &mut dx).unwrap();
        assert_eq!(dx, [0.0, 10.0, 0.0, 0.0]);
    }

    #[test]
    fn nan_and_minus_infinity_are_values() {
        let shape = PoolShape::new(Nhwc::new(1, 1, 3, 1), Window::square(1, 1, 0)).unwrap();
        let (mut y, mut argmax) = ([0.0; 3], [9; 3]);
        forward(&shape, &[f32::NEG_INFINITY, f32::NAN, 1.0], &mut y, &mut argmax).unwrap();
        assert!(y[0] == f32::NEG_INFINITY && y[1].is_nan() && y[2] == 1.0);
        assert_eq!(argmax, [0; 3]);

        let row =
            PoolShape::new(Nhwc::new(1, 1, 3, 1), Window { kernel: [1, 3], stride: [1, 1], padding: [0, 0] });
        let (mut y, mut argmax) = ([0.0], [9]);
        forward(&row.unwrap(), &[2.0, f32::NAN, 3.0], &mut y, &mut argmax).unwrap();
        assert!(y[0].is_nan() && argmax == [1]);
    }
}
