//! Tests of depthwise convolution against the definition of an ungrouped one whose weights are zero off the
//! diagonal, on every instruction set; and of the matrix that represents other grouped convolutions.

use std::sync::Arc;

use bonsai_kernels::{
    Blocks, Collect, Conv, ConvShape, Epilogue, Isa, KernelError, Nhwc, Program, Spread, View, Window,
};
use proptest::prelude::*;

use crate::numbers::{assert_close, numbers};
use crate::reference::conv as reference;
use crate::tensors::{Tensors, bits};

/// Converts `[tap][channel]` to `[tap][in][out]`.
fn diagonal(weights: &[f32], channels: usize) -> Vec<f32> {
    let place = |tap: usize, c: usize| (tap * channels + c) * channels + c;
    let mut whole = vec![0.0; weights.len() * channels];
    weights.iter().enumerate().for_each(|(i, w)| whole[place(i / channels, i % channels)] = *w);
    whole
}

/// Converts `[tap][in][out]` back to `[tap][channel]`.
fn of_diagonal(whole: &[f64], channels: usize) -> Vec<f64> {
    whole.chunks(channels * channels).flat_map(|tap| (0..channels).map(|c| tap[c * channels + c])).collect()
}

/// Integers, so that sums of products are exact.
fn whole(seed: u64, len: usize) -> Vec<f32> {
    numbers(seed, len).iter().map(|v| (v * 8.0).round()).collect()
}

/// Computes `y`, `dx` and `dw`; the gradients are added to the given values.
fn run(
    (isa, threads): (Isa, usize),
    (shape, extra): (&ConvShape, usize),
    [x, w, dy]: [&[f32]; 3],
    [dx, dw]: [&[f32]; 2],
    accumulate: bool,
) -> [Vec<f32>; 3] {
    let conv = Conv::depthwise(isa, shape.input(), shape.window()).unwrap();
    assert_eq!((conv.output(), conv.weights_len()), (shape.output(), w.len()));
    let mut t = Tensors::new();
    let x = t.image(shape.input(), extra, x);
    let dy = t.image(shape.output(), 2 * extra, dy);
    let weights = t.filled(1, w.len(), 0, w);
    let packed = t.room(1, conv.packed_len(), 0);
    let transposed = t.room(1, conv.packed_transposed_len(), 0);
    let y = t.room(shape.output().pixels(), shape.output().c, extra);
    let dx = if accumulate {
        t.image(shape.input(), extra, dx)
    } else {
        t.room(shape.input().pixels(), shape.input().c, extra)
    };
    let dw = t.filled(1, w.len(), 0, dw);
    let partials = t.room(1, conv.partials_len(), 0);
    t.run(isa, threads, |p| {
        conv.push_pack(p, "pack", weights, packed)?;
        conv.push_forward(p, "forward", x, packed, y, Epilogue::default())?;
        conv.push_pack_transposed(p, "transpose", weights, transposed)?;
        conv.push_input_gradient(p, "dx", dy, transposed, dx, accumulate)?;
        conv.push_weight_gradient(p, "dw", x, dy, partials, dw)
    });
    [y, dx, dw].map(|view| t.read(&view))
}

fn arb_shape() -> impl Strategy<Value = ConvShape> {
    let size = || prop::sample::select(vec![1usize, 2, 3, 4, 5, 7, 10, 13, 24, 41]);
    let window = prop_oneof![
        3 => (prop::sample::select(vec![1usize, 3, 5, 7]), 1usize..4)
            .prop_map(|(k, s)| Window::square(k, s, k / 2)),
        1 => (prop::array::uniform2(1usize..6), prop::array::uniform2(1usize..5), prop::array::uniform2(0usize..8))
            .prop_map(|(kernel, stride, padding)| Window { kernel, stride, padding }),
    ];
    let channels = prop::sample::select(vec![16usize, 32, 48]);
    (1usize..4, size(), size(), channels, window)
        .prop_filter_map("the kernel must fit", |(n, h, w, c, window)| {
            ConvShape::new(Nhwc::new(n, h, w, c), c, window).ok()
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn whole_numbers_come_out_exactly(shape in arb_shape(), extra in prop::sample::select(vec![0usize, 16, 48]),
                                      seed in any::<u64>(), accumulate in any::<bool>()) {
        let c = shape.input().c;
        let x = whole(seed, shape.input().len());
        let w = whole(seed ^ 1, shape.window().area() * c);
        let dy = whole(seed ^ 2, shape.output().len());
        let dx = whole(seed ^ 3, x.len());
        let dw = whole(seed ^ 4, w.len());
        let plus = |values: Vec<f64>, base: &[f32], add: f64| -> Vec<f32> {
            values.iter().zip(base).map(|(v, b)| (v + add * f64::from(*b)) as f32).collect()
        };
        let matrix = diagonal(&w, c);
        let y: Vec<f32> = reference::forward(&shape, &x, &matrix).iter().map(|v| *v as f32).collect();
        let add = if accumulate { 1.0 } else { 0.0 };
        let dx_expected = plus(reference::input_gradient(&shape, &dy, &matrix), &dx, add);
        let dw_expected = plus(of_diagonal(&reference::weight_gradient(&shape, &x, &dy), c), &dw, 1.0);
        for isa in Isa::available() {
            let got = run((isa, 2), (&shape, extra), [&x, &w, &dy], [&dx, &dw], accumulate);
            prop_assert_eq!(&got[0], &y, "y on {}", isa);
            prop_assert_eq!(&got[1], &dx_expected, "dx on {}", isa);
            prop_assert_eq!(&got[2], &dw_expected, "dw on {}", isa);
        }
    }
}

#[test]
fn threads_change_no_bit() {
    let shape = ConvShape::new(Nhwc::new(3, 40, 37, 64), 64, Window::square(3, 2, 1)).unwrap();
    let x = numbers(1, shape.input().len());
    let w = numbers(2, 9 * 64);
    let dy = numbers(3, shape.output().len());
    let none = vec![0.0; 9 * 64];
    for isa in Isa::available() {
        let [one, five] =
            [1, 5].map(|threads| run((isa, threads), (&shape, 0), [&x, &w, &dy], [&x, &none], true));
        for (one, five) in one.iter().zip(&five) {
            assert_eq!(bits(one), bits(five), "{isa}");
        }
    }
}

/// The order is bias, moments of the biased values, SiLU, residual. Without moments the result is the same.
#[test]
fn epilogues_come_in_their_order() {
    for (h, w, c, stride) in [(7, 9, 48, 1), (33, 20, 16, 2), (1, 1, 32, 1)] {
        let shape = ConvShape::new(Nhwc::new(2, h, w, c), c, Window::square(3, stride, 1)).unwrap();
        let output = shape.output();
        let x = numbers(1, shape.input().len());
        let weights = numbers(2, 9 * c);
        let bias = numbers(3, c);
        let residual = numbers(4, output.len());
        let plain = reference::forward(&shape, &x, &diagonal(&weights, c));
        let biased: Vec<f64> = plain.iter().enumerate().map(|(i, v)| v + f64::from(bias[i % c])).collect();
        let silu = |v: f64| v / (1.0 + (-v).exp());
        let finished: Vec<f64> =
            biased.iter().zip(&residual).map(|(v, r)| silu(*v) + f64::from(*r)).collect();
        for (isa, with_moments) in Isa::available().into_iter().flat_map(|isa| [(isa, false), (isa, true)]) {
            let conv = Conv::depthwise(isa, shape.input(), shape.window()).unwrap();
            let counts = conv.moment_counts();
            let mut t = Tensors::new();
            let x = t.image(shape.input(), 0, &x);
            let r = t.image(output, 32, &residual);
            let w = t.filled(1, weights.len(), 0, &weights);
            let b = t.filled(1, c, 0, &bias);
            let y = t.room(output.pixels(), c, 16);
            let moments = t.room(2 * counts.len(), c, 0);
            t.run(isa, 2, |p| {
                let moments = with_moments.then_some(moments);
                let epilogue = Epilogue { bias: Some(b), silu: true, residual: Some(r), moments };
                conv.push_forward(p, "conv", x, w, y, epilogue)
            });
            assert_close("y", &t.read(&y), &finished, 2e-5);
            if !with_moments {
                continue;
            }
            assert_eq!(counts.iter().sum::<usize>(), output.pixels());
            let parts = t.read(&moments);
            let mut first = 0;
            for (part, count) in counts.into_iter().enumerate() {
                for channel in 0..c {
                    let values = (first..first + count).map(|pixel| biased[pixel * c + channel]);
                    let mean = values.clone().sum::<f64>() / count as f64;
                    let m2: f64 = values.map(|v| (v - mean).powi(2)).sum();
                    let got = [0, 1].map(|row| f64::from(parts[(2 * part + row) * c + channel]));
                    assert!((got[0] - mean).abs() < 1e-5, "mean {} of {mean} on {isa}", got[0]);
                    assert!((got[1] - m2).abs() < 1e-4 * m2.max(1.0), "M2 {} of {m2} on {isa}", got[1]);
                }
                first += count;
            }
        }
    }
}

#[test]
fn channels_that_are_no_segments_are_refused() {
    let error = Conv::depthwise(Isa::PORTABLE, Nhwc::new(1, 4, 4, 3), Window::square(3, 1, 1)).unwrap_err();
    assert!(matches!(error, KernelError::Operand { got: 3, expected: 16, .. }), "{error}");
}

/// Two groups of two inputs and three outputs each; the channels of the second group follow padding on both
/// sides.
fn blocks() -> Blocks {
    let inputs = vec![0, 1, 16, 17];
    let outputs = vec![0, 1, 2, 16, 17, 18];
    Blocks { taps: 1, groups: 2, inputs, outputs, widths: [32, 32] }
}

#[test]
fn groups_become_blocks_and_blocks_groups() {
    let blocks = Arc::new(blocks());
    // [input of the group][output]
    let weights = whole(1, 2 * 32);
    for isa in Isa::available() {
        let mut t = Tensors::new();
        let from = t.filled(1, weights.len(), 0, &weights);
        let matrix = t.room(1, 32 * 32, 0);
        let back = t.filled(1, weights.len(), 0, &[1.0; 64]);
        t.run(isa, 2, |p| {
            p.push("spread", Spread { blocks: Arc::clone(&blocks), from, to: matrix })?;
            p.push("collect", Collect { blocks: Arc::clone(&blocks), from: matrix, to: back })
        });
        let matrix = t.read(&matrix);
        for (input, output) in (0..32).flat_map(|i| (0..32).map(move |o| (i, o))) {
            let group = input / 16;
            let place = input % 16;
            let inside = place < 2 && output / 16 == group && output % 16 < 3;
            let expected = if inside { weights[place * 32 + output] } else { 0.0 };
            assert_eq!(matrix[input * 32 + output], expected, "{input} to {output}");
        }
        for (i, back) in t.read(&back).into_iter().enumerate() {
            let is_weight = i % 16 < 3;
            assert_eq!(back, if is_weight { 1.0 + weights[i] } else { 1.0 });
        }
    }
}

#[test]
fn blocks_outside_of_the_matrix_are_refused() {
    let mut p = Program::new(Isa::PORTABLE);
    let mut push = |blocks: Blocks| {
        let from = View::vector(0, 0, 64);
        let to = View::vector(0, 64, 1024);
        p.push("spread", Spread { blocks: Arc::new(blocks), from, to })
    };
    assert!(push(blocks()).is_ok());
    let wrong = [
        Blocks { inputs: vec![0, 1, 16, 32], ..blocks() },
        Blocks { outputs: vec![0, 1, 2, 16, 17, usize::MAX - 1], ..blocks() },
        Blocks { inputs: vec![0, 1, 16], ..blocks() },
        Blocks { groups: 0, ..blocks() },
        Blocks { groups: 3, ..blocks() },
        Blocks { taps: 2, ..blocks() },
        Blocks { taps: usize::MAX, ..blocks() },
        Blocks { widths: [16, 32], ..blocks() },
    ];
    for blocks in wrong {
        assert!(push(blocks.clone()).is_err(), "{blocks:?}");
    }
}
