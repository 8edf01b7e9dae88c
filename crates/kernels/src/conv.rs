//! Two-dimensional convolution (cross-correlation, as every framework means by the word).
//!
//! `y[o] = bias + sum over taps of x[o * stride + tap - padding] . w[tap]`, with zeros outside the image.
//! Any kernel, stride, padding and odd sizes; one group, no dilation.
//! Each gradient is a loop of its own over the values it writes, so nothing is scattered or accumulated
//! twice.

use crate::error::check_len;
use crate::{ConvShape, KernelError};

/// Computes `y` from `x`.
///
/// # Shapes
///
/// `x` is `shape.input()`, `weights` HWIO, `bias` (none is zero) one value per output channel, `y`
/// `shape.output()`.
///
/// # Errors
///
/// [`KernelError::Length`].
pub fn forward(
    shape: &ConvShape,
    x: &[f32],
    weights: &[f32],
    bias: Option<&[f32]>,
    y: &mut [f32],
) -> Result<(), KernelError> {
    const NAME: &str = "conv::forward";
    let (input, output, window) = (shape.input(), shape.output(), shape.window());
    check_len(NAME, "x", input.len(), x.len())?;
    check_len(NAME, "weights", shape.weights_len(), weights.len())?;
    check_len(NAME, "y", output.len(), y.len())?;
    if let Some(bias) = bias {
        check_len(NAME, "bias", output.c, bias.len())?;
    }
    let mut sums = vec![0.0f64; output.c];
    for (image, row, column) in pixels(output) {
        match bias {
            Some(bias) => sums.iter_mut().zip(bias).for_each(|(sum, &b)| *sum = f64::from(b)),
            None => sums.fill(0.0),
        }
        for ky in 0..window.kernel[0] {
            let Some(in_row) = window.input_of(0, row, ky, input.h) else { continue };
            for kx in 0..window.kernel[1] {
                let Some(in_column) = window.input_of(1, column, kx, input.w) else { continue };
                let x = &x[input.pixel(image, in_row, in_column)..][..input.c];
                let block = &weights[shape.tap(ky, kx)..][..input.c * output.c];
                for (c, &value) in x.iter().enumerate() {
                    axpy(f64::from(value), &block[c * output.c..][..output.c], &mut sums);
                }
            }
        }
        store(&sums, &mut y[output.pixel(image, row, column)..][..output.c]);
    }
    Ok(())
}

/// Computes the gradient `dx` of the input from the gradient `dy` of the output.
///
/// # Shapes
///
/// `dy` is `shape.output()`, `weights` HWIO, `dx` `shape.input()`.
///
/// # Errors
///
/// [`KernelError::Length`].
pub fn backward_input(
    shape: &ConvShape,
    dy: &[f32],
    weights: &[f32],
    dx: &mut [f32],
) -> Result<(), KernelError> {
    const NAME: &str = "conv::backward_input";
    let (input, output, window) = (shape.input(), shape.output(), shape.window());
    check_len(NAME, "dy", output.len(), dy.len())?;
    check_len(NAME, "weights", shape.weights_len(), weights.len())?;
    check_len(NAME, "dx", input.len(), dx.len())?;
    let mut sums = vec![0.0f64; input.c];
    for (image, row, column) in pixels(input) {
        sums.fill(0.0);
        for ky in 0..window.kernel[0] {
            let Some(out_row) = window.output_of(0, row, ky, output.h) else { continue };
            for kx in 0..window.kernel[1] {
                let Some(out_column) = window.output_of(1, column, kx, output.w) else { continue };
                let dy = &dy[output.pixel(image, out_row, out_column)..][..output.c];
                let block = &weights[shape.tap(ky, kx)..][..input.c * output.c];
                for (c, sum) in sums.iter_mut().enumerate() {
                    *sum += dot(dy, &block[c * output.c..][..output.c]);
                }
            }
        }
        store(&sums, &mut dx[input.pixel(image, row, column)..][..input.c]);
    }
    Ok(())
}

/// Computes the gradient `dweights` (HWIO) from the input `x` and the gradient `dy` of the output.
///
/// # Shapes
///
/// `x` is `shape.input()`, `dy` `shape.output()`.
///
/// # Errors
///
/// [`KernelError::Length`].
pub fn backward_weights(
    shape: &ConvShape,
    x: &[f32],
    dy: &[f32],
    dweights: &mut [f32],
) -> Result<(), KernelError> {
    const NAME: &str = "conv::backward_weights";
    let (input, output, window) = (shape.input(), shape.output(), shape.window());
    check_len(NAME, "x", input.len(), x.len())?;
    check_len(NAME, "dy", output.len(), dy.len())?;
    check_len(NAME, "dweights", shape.weights_len(), dweights.len())?;
    let mut sums = vec![0.0f64; dweights.len()];
    for (image, row, column) in pixels(output) {
        let dy = &dy[output.pixel(image, row, column)..][..output.c];
        for ky in 0..window.kernel[0] {
            let Some(in_row) = window.input_of(0, row, ky, input.h) else { continue };
            for kx in 0..window.kernel[1] {
                let Some(in_column) = window.input_of(1, column, kx, input.w) else { continue };
                let x = &x[input.pixel(image, in_row, in_column)..][..input.c];
                let block = &mut sums[shape.tap(ky, kx)..][..input.c * output.c];
                for (c, &value) in x.iter().enumerate() {
                    axpy(f64::from(value), dy, &mut block[c * output.c..][..output.c]);
                }
            }
        }
    }
    store(&sums, dweights);
    Ok(())
}

/// Computes the gradient `dbias`: the sum of `dy` over all pixels.
///
/// # Errors
///
/// [`KernelError::Length`] unless `dy` is `shape.output()` and `dbias` has one value per output channel.
pub fn backward_bias(shape: &ConvShape, dy: &[f32], dbias: &mut [f32]) -> Result<(), KernelError> {
    const NAME: &str = "conv::backward_bias";
    let output = shape.output();
    check_len(NAME, "dy", output.len(), dy.len())?;
    check_len(NAME, "dbias", output.c, dbias.len())?;
    let mut sums = vec![0.0f64; output.c];
    for (image, row, column) in pixels(output) {
        axpy(1.0, &dy[output.pixel(image, row, column)..][..output.c], &mut sums);
    }
    store(&sums, dbias);
    Ok(())
}

/// Every (image, row, column), in storage order.
fn pixels(shape: crate::Nhwc) -> impl Iterator<Item = (usize, usize, usize)> {
    (0..shape.n).flat_map(move |image| {
        (0..shape.h).flat_map(move |row| (0..shape.w).map(move |column| (image, row, column)))
    })
}

fn axpy(factor: f64, values: &[f32], sums: &mut [f64]) {
    for (sum, &value) in sums.iter_mut().zip(values) {
        *sum += factor * f64::from(value);
    }
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
}

fn store(sums: &[f64], values: &mut [f32]) {
    for (value, &sum) in values.iter_mut().zip(sums) {
        *value = sum as f32;
    }
}
