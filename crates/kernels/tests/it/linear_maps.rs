//! Upsampling, addition, slice and concat: linear maps, whose backward is their transpose.

use bonsai_kernels::channels::{self, Span};
use bonsai_kernels::{Nhwc, add, upsample};
use proptest::prelude::*;

use crate::numbers::{agree, inner, numbers};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn upsampling(
        n in 1usize..3, h in 1usize..5, w in 1usize..5, c in 1usize..4, factor in 1usize..4, seed: u64,
    ) {
        let input = Nhwc::new(n, h, w, c);
        let output = upsample::output(input, factor).unwrap();
        let (x, dy) = (numbers(seed, input.len()), numbers(seed ^ 1, output.len()));
        let (mut y, mut dx) = (vec![f32::NAN; output.len()], vec![f32::NAN; input.len()]);
        upsample::forward(input, factor, &x, &mut y).unwrap();
        upsample::backward(input, factor, &dy, &mut dx).unwrap();
        prop_assert!(agree(inner(&y, &dy), inner(&x, &dx), x.len()));
        for image in 0..n {
            for (row, column) in (0..output.h).flat_map(|r| (0..output.w).map(move |k| (r, k))) {
                let to = ((image * output.h + row) * output.w + column) * c;
                let from = ((image * h + row / factor) * w + column / factor) * c;
                prop_assert_eq!(&y[to..to + c], &x[from..from + c]);
            }
        }
    }

    #[test]
    fn slice_and_its_backward(
        pixels in 0usize..6, before in 0usize..4, len in 1usize..4, after in 0usize..4, seed: u64,
    ) {
        let channels = before + len + after;
        let span = Span::new(channels, before, len).unwrap();
        let (x, dy) = (numbers(seed, pixels * channels), numbers(seed ^ 1, pixels * len));
        let (mut y, mut dx) = (vec![f32::NAN; dy.len()], vec![f32::NAN; x.len()]);
        channels::slice(pixels, span, &x, &mut y).unwrap();
        channels::slice_backward(pixels, span, &dy, &mut dx).unwrap();
        prop_assert!(agree(inner(&y, &dy), inner(&x, &dx), x.len()));
    }

    #[test]
    fn concat_and_its_backward(
        pixels in 1usize..6, widths in prop::collection::vec(1usize..5, 1..5), seed: u64,
    ) {
        let parts: Vec<Vec<f32>> =
            widths.iter().zip(2u64..).map(|(&c, part)| numbers(seed ^ part, pixels * c)).collect();
        let total: usize = widths.iter().sum();
        let mut y = vec![f32::NAN; pixels * total];
        let borrowed: Vec<(usize, &[f32])> =
            widths.iter().copied().zip(parts.iter().map(Vec::as_slice)).collect();
        channels::concat(pixels, &borrowed, &mut y).unwrap();
        // The transpose of a concat is a slice per part.
        let dy = numbers(seed ^ 1, y.len());
        let (mut start, mut whole) = (0, 0.0);
        for (&(width, part), index) in borrowed.iter().zip(0..) {
            let span = Span::new(total, start, width).unwrap();
            let mut dpart = vec![f32::NAN; part.len()];
            channels::slice(pixels, span, &dy, &mut dpart).unwrap();
            whole += inner(part, &dpart);
            let mut back = vec![f32::NAN; part.len()];
            channels::slice(pixels, span, &y, &mut back).unwrap();
            prop_assert_eq!(&back, part, "part {}", index);
            start += width;
        }
        prop_assert!(agree(inner(&y, &dy), whole, y.len()));
    }

    #[test]
    fn addition(a in prop::collection::vec(-9.0f32..9.0, 0..9), seed: u64) {
        let b = numbers(seed, a.len());
        let mut y = vec![f32::NAN; a.len()];
        add::forward(&a, &b, &mut y).unwrap();
        let mut sum = a.clone();
        add::accumulate(&b, &mut sum).unwrap();
        prop_assert_eq!(&y, &sum);
        prop_assert!(y.iter().zip(a.iter().zip(&b)).all(|(&y, (&a, &b))| y == a + b));
    }
}
