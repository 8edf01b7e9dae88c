//! Max-pool against its definition; its backward against the selection that its forward made.

use bonsai_kernels::{Nhwc, PoolShape, Window, max_pool};
use proptest::prelude::*;

use crate::numbers::{agree, inner, numbers};

fn arb_shape() -> impl Strategy<Value = PoolShape> {
    let window = (
        prop::array::uniform2(1usize..6),
        prop::array::uniform2(1usize..4),
        prop::array::uniform2(0usize..3),
    )
        .prop_map(|(kernel, stride, padding)| Window { kernel, stride, padding });
    (1usize..3, 1usize..8, 1usize..8, 1usize..4, window)
        .prop_filter_map("the window must fit", |(n, h, w, c, window)| {
            PoolShape::new(Nhwc::new(n, h, w, c), window).ok()
        })
}

/// The maximum under the window of output `index`, found pixel by pixel.
fn by_definition(shape: &PoolShape, x: &[f32], index: usize) -> f32 {
    let (input, output, window) = (shape.input(), shape.output(), shape.window());
    let (c, column, row) =
        (index % output.c, index / output.c % output.w, index / output.c / output.w % output.h);
    let image = index / output.c / output.w / output.h;
    let covers = |axis: usize, out: usize, pixel: usize| {
        let first = (out * window.stride[axis]) as i64 - window.padding[axis] as i64;
        (first..first + window.kernel[axis] as i64).contains(&(pixel as i64))
    };
    let mut best = f32::NEG_INFINITY;
    for (i, &value) in x.iter().enumerate() {
        let (ci, x, y) = (i % input.c, i / input.c % input.w, i / input.c / input.w % input.h);
        let same = ci == c && i / input.c / input.w / input.h == image;
        if same && covers(0, row, y) && covers(1, column, x) {
            best = best.max(value);
        }
    }
    best
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn forward_is_the_definition_and_backward_its_adjoint(shape in arb_shape(), seed: u64) {
        // All negative: a window that counted padding as zero would show.
        let x: Vec<f32> = numbers(seed, shape.input().len()).iter().map(|v| v - 2.0).collect();
        let dy = numbers(seed ^ 1, shape.output().len());
        let (mut y, mut argmax) = (vec![f32::NAN; dy.len()], vec![255; dy.len()]);
        max_pool::forward(&shape, &x, &mut y, &mut argmax).unwrap();
        for (index, &value) in y.iter().enumerate() {
            prop_assert_eq!(value.to_bits(), by_definition(&shape, &x, index).to_bits());
        }
        // With the selection fixed, pooling is linear, and backward is its transpose.
        let mut dx = vec![f32::NAN; x.len()];
        max_pool::backward(&shape, &dy, &argmax, &mut dx).unwrap();
        prop_assert!(agree(inner(&y, &dy), inner(&x, &dx), 4 * x.len()));
        let ones = (vec![1.0; x.len()], vec![1.0; dy.len()]);
        prop_assert!(agree(inner(&ones.0, &dx), inner(&ones.1, &dy), x.len()));
    }
}

#[test]
fn sppf_window_keeps_the_size() {
    let shape = PoolShape::new(Nhwc::new(1, 3, 4, 2), Window::square(5, 1, 2)).unwrap();
    assert_eq!(shape.output(), shape.input());
}
