//! Convolution by its definition, in `f64`, without optimisation.
//!
//! Each gradient is a separate loop over the values that it writes, so no value is scattered or accumulated
//! twice.

use bonsai_kernels::{ConvShape, Nhwc};

/// `y` from dense `x`, `[tap][in][out]` weights and a bias.
pub(crate) fn forward(shape: &ConvShape, x: &[f32], weights: &[f32]) -> Vec<f64> {
    let input = shape.input();
    let output = shape.output();
    let window = shape.window();
    let mut y = vec![0.0; output.len()];
    for (sums, place) in y.chunks_mut(output.c).zip(pixels(output)) {
        for (tap, [ky, kx]) in taps(shape) {
            let (Some(row), Some(column)) =
                (window.input_of(0, place[1], ky, input.h), window.input_of(1, place[2], kx, input.w))
            else {
                continue;
            };
            let x = &x[pixel(input, [place[0], row, column])..][..input.c];
            for (c, &value) in x.iter().enumerate() {
                let weights = &weights[(tap * input.c + c) * output.c..][..output.c];
                sums.iter_mut().zip(weights).for_each(|(sum, &w)| *sum += f64::from(value) * f64::from(w));
            }
        }
    }
    y
}

/// Computes `dx` from dense `dy` and the weights.
pub(crate) fn input_gradient(shape: &ConvShape, dy: &[f32], weights: &[f32]) -> Vec<f64> {
    let input = shape.input();
    let output = shape.output();
    let window = shape.window();
    let mut dx = vec![0.0; input.len()];
    for (sums, place) in dx.chunks_mut(input.c).zip(pixels(input)) {
        for (tap, [ky, kx]) in taps(shape) {
            let (Some(row), Some(column)) =
                (window.output_of(0, place[1], ky, output.h), window.output_of(1, place[2], kx, output.w))
            else {
                continue;
            };
            let dy = &dy[pixel(output, [place[0], row, column])..][..output.c];
            for (c, sum) in sums.iter_mut().enumerate() {
                let weights = &weights[(tap * input.c + c) * output.c..][..output.c];
                *sum += dy.iter().zip(weights).map(|(&d, &w)| f64::from(d) * f64::from(w)).sum::<f64>();
            }
        }
    }
    dx
}

/// `dw`, `[tap][in][out]`, from dense `x` and `dy`.
pub(crate) fn weight_gradient(shape: &ConvShape, x: &[f32], dy: &[f32]) -> Vec<f64> {
    let input = shape.input();
    let output = shape.output();
    let window = shape.window();
    let mut dw = vec![0.0; shape.weights_len()];
    for (dy, place) in dy.chunks(output.c).zip(pixels(output)) {
        for (tap, [ky, kx]) in taps(shape) {
            let (Some(row), Some(column)) =
                (window.input_of(0, place[1], ky, input.h), window.input_of(1, place[2], kx, input.w))
            else {
                continue;
            };
            let x = &x[pixel(input, [place[0], row, column])..][..input.c];
            for (c, &value) in x.iter().enumerate() {
                let sums = &mut dw[(tap * input.c + c) * output.c..][..output.c];
                sums.iter_mut().zip(dy).for_each(|(sum, &d)| *sum += f64::from(value) * f64::from(d));
            }
        }
    }
    dw
}

fn taps(shape: &ConvShape) -> impl Iterator<Item = (usize, [usize; 2])> {
    let [kh, kw] = shape.window().kernel;
    (0..kh * kw).map(move |tap| (tap, [tap / kw, tap % kw]))
}

fn pixels(shape: Nhwc) -> impl Iterator<Item = [usize; 3]> {
    (0..shape.pixels()).map(move |p| [p / shape.w / shape.h, p / shape.w % shape.h, p % shape.w])
}

fn pixel(shape: Nhwc, [image, row, column]: [usize; 3]) -> usize {
    ((image * shape.h + row) * shape.w + column) * shape.c
}
