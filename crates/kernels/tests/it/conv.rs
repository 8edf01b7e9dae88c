//! Convolution against its definition, and its gradients against the convolution.

use bonsai_kernels::{ConvShape, Nhwc, Window, conv};
use proptest::prelude::*;

use crate::numbers::{agree, assert_close, inner, numbers};

/// Small but odd in every way.
fn arb_shape() -> impl Strategy<Value = ConvShape> {
    let window = (
        prop::array::uniform2(1usize..5),
        prop::array::uniform2(1usize..4),
        prop::array::uniform2(0usize..4),
    )
        .prop_map(|(kernel, stride, padding)| Window { kernel, stride, padding });
    (1usize..3, 1usize..9, 1usize..9, 1usize..5, 1usize..6, window)
        .prop_filter_map("the kernel must fit", |(n, h, w, c, out, window)| {
            ConvShape::new(Nhwc::new(n, h, w, c), out, window).ok()
        })
}

/// The definition, scattered from the input: every pixel is sent to every output it reaches.
fn by_definition(shape: &ConvShape, x: &[f32], weights: &[f32], bias: &[f32]) -> Vec<f64> {
    let (input, output, window) = (shape.input(), shape.output(), shape.window());
    let mut y: Vec<f64> = (0..output.len()).map(|i| f64::from(bias[i % output.c])).collect();
    let [kh, kw] = window.kernel;
    for (i, &value) in x.iter().enumerate() {
        let (c, column, row, image) = (
            i % input.c,
            i / input.c % input.w,
            i / input.c / input.w % input.h,
            i / input.c / input.w / input.h,
        );
        for (t, &weight) in weights.iter().enumerate() {
            let (o, ci, kx, ky) = (
                t % output.c,
                t / output.c % input.c,
                t / output.c / input.c % kw,
                t / output.c / input.c / kw,
            );
            assert!(ky < kh);
            let reach = |pixel: usize, tap: usize, axis: usize, size: usize| {
                let offset = pixel as i64 + window.padding[axis] as i64 - tap as i64;
                let stride = window.stride[axis] as i64;
                (offset >= 0 && offset % stride == 0 && offset / stride < size as i64)
                    .then_some((offset / stride) as usize)
            };
            let (Some(down), Some(right)) = (reach(row, ky, 0, output.h), reach(column, kx, 1, output.w))
            else {
                continue;
            };
            if ci == c {
                y[((image * output.h + down) * output.w + right) * output.c + o] +=
                    f64::from(value) * f64::from(weight);
            }
        }
    }
    y
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn forward_is_the_definition(shape in arb_shape(), seed: u64) {
        let x = numbers(seed, shape.input().len());
        let weights = numbers(seed ^ 1, shape.weights_len());
        let bias = numbers(seed ^ 2, shape.output().c);
        let mut y = vec![f32::NAN; shape.output().len()];
        conv::forward(&shape, &x, &weights, Some(&bias), &mut y).unwrap();
        // Sums are carried in f64 and rounded once.
        assert_close("y", &y, &by_definition(&shape, &x, &weights, &bias), 1e-7);
    }

    #[test]
    fn gradients_are_adjoint(shape in arb_shape(), seed: u64) {
        let x = numbers(seed, shape.input().len());
        let weights = numbers(seed ^ 1, shape.weights_len());
        let bias = numbers(seed ^ 2, shape.output().c);
        let dy = numbers(seed ^ 3, shape.output().len());
        let mut y = vec![f32::NAN; dy.len()];
        let mut dx = vec![f32::NAN; x.len()];
        let mut dweights = vec![f32::NAN; weights.len()];
        let mut dbias = vec![f32::NAN; bias.len()];
        conv::backward_input(&shape, &dy, &weights, &mut dx).unwrap();
        conv::backward_weights(&shape, &x, &dy, &mut dweights).unwrap();
        conv::backward_bias(&shape, &dy, &mut dbias).unwrap();

        // Linear in x, in the weights, and in the bias: <conv(x), dy> = <x, dx> = <w, dw>, and <bias, db>
        // alone.
        conv::forward(&shape, &x, &weights, None, &mut y).unwrap();
        let whole = inner(&y, &dy);
        prop_assert!(agree(whole, inner(&x, &dx), x.len()), "dx");
        prop_assert!(agree(whole, inner(&weights, &dweights), weights.len()), "dw");
        conv::forward(&shape, &x, &vec![0.0; weights.len()], Some(&bias), &mut y).unwrap();
        prop_assert!(agree(inner(&y, &dy), inner(&bias, &dbias), bias.len()), "db");
    }

    #[test]
    fn the_same_inputs_give_the_same_bits(shape in arb_shape(), seed: u64) {
        let x = numbers(seed, shape.input().len());
        let dy = numbers(seed ^ 3, shape.output().len());
        let run = || {
            let mut dweights = vec![0.0; shape.weights_len()];
            conv::backward_weights(&shape, &x, &dy, &mut dweights).unwrap();
            dweights.iter().map(|v| v.to_bits()).collect::<Vec<_>>()
        };
        prop_assert_eq!(run(), run());
    }
}

#[test]
fn weights_are_height_width_in_out() {
    // One pixel, two input channels, three output channels: y[o] = sum over i of x[i] * w[i][o].
    let shape = ConvShape::new(Nhwc::new(1, 1, 1, 2), 3, Window::square(1, 1, 0)).unwrap();
    let mut y = [0.0; 3];
    conv::forward(&shape, &[10.0, 1.0], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], None, &mut y).unwrap();
    assert_eq!(y, [14.0, 25.0, 36.0]);

    // A 1x3 kernel over a row: correlation, not flipped.
    let window = Window { kernel: [1, 3], stride: [1, 2], padding: [0, 1] };
    let shape = ConvShape::new(Nhwc::new(1, 1, 5, 1), 1, window).unwrap();
    let mut y = [0.0; 3];
    conv::forward(&shape, &[1.0, 2.0, 3.0, 4.0, 5.0], &[100.0, 10.0, 1.0], Some(&[0.5]), &mut y).unwrap();
    assert_eq!(y, [12.5, 234.5, 450.5]);
}

#[test]
fn pixels_that_no_output_reads_get_no_gradient() {
    let shape = ConvShape::new(Nhwc::new(1, 1, 6, 1), 1, Window::square(1, 4, 0)).unwrap();
    let mut dx = [f32::NAN; 6];
    conv::backward_input(&shape, &[3.0, 5.0], &[2.0], &mut dx).unwrap();
    assert_eq!(dx, [6.0, 0.0, 0.0, 0.0, 10.0, 0.0]);
}
