//! Tests of max-pool against its definition; the backward is compared with the selection of the forward.

use bonsai_kernels::{MaxPool, MaxPoolGradient, Nhwc, PoolShape, Window};
use proptest::prelude::*;

use crate::arena::{Arena, Rows};
use crate::numbers::{assert_close, numbers, wide};
use crate::reference::max_pool;

fn arb_shape() -> impl Strategy<Value = PoolShape> {
    let window = (
        prop::array::uniform2(1usize..6),
        prop::array::uniform2(1usize..4),
        prop::array::uniform2(0usize..3),
    )
        .prop_map(|(kernel, stride, padding)| Window { kernel, stride, padding });
    (1usize..3, 1usize..8, 1usize..8, 1usize..40, window)
        .prop_filter_map("the window must fit", |(n, h, w, c, window)| {
            PoolShape::new(Nhwc::new(n, h, w, c), window).ok()
        })
}

/// Checks forward with and without argmax, and backward stored and accumulated.
fn check(logical: PoolShape, x: &[f32], dy: &[f32]) {
    let input = logical.input();
    let output = logical.output();
    let physical = Nhwc { c: bonsai_kernels::padded(input.c), ..input };
    let shape = PoolShape::new(physical, logical.window()).unwrap();
    let (y, taps) = max_pool::forward(&logical, x);
    let dx = max_pool::backward(&logical, &taps, dy);

    let mut arena = Arena::new();
    let x_view = arena.input(Rows::Apart, input.c, x);
    let dy_view = arena.input(Rows::Apart, input.c, dy);
    let before = numbers(3, x.len());
    let added = arena.input(Rows::Dense, input.c, &before);
    let stored = arena.output(Rows::Apart, input.pixels(), input.c);
    let [with, without] = [(); 2].map(|()| arena.output(Rows::Apart, output.pixels(), input.c));
    let argmax = arena.output(Rows::Dense, 1, MaxPool::argmax_len(&shape));
    let outcomes = arena.run(|p| {
        p.push("pool", MaxPool { shape, x: x_view, y: with, argmax: Some(argmax) }).unwrap();
        p.push("pool", MaxPool { shape, x: x_view, y: without, argmax: None }).unwrap();
        for (dx, accumulate) in [(stored, false), (added, true)] {
            p.push("gradient", MaxPoolGradient { shape, dy: dy_view, argmax, dx, accumulate }).unwrap();
        }
    });
    for outcome in outcomes {
        for view in [&with, &without] {
            for (got, expected) in outcome.values(view, input.c).iter().zip(&y) {
                assert!(
                    got == expected || (got.is_nan() && expected.is_nan()),
                    "{}: {got} {expected}",
                    outcome.isa
                );
            }
        }
        assert_close("dx", &outcome.values(&stored, input.c), &dx, 1e-6);
        let sum: Vec<f64> = dx.iter().zip(wide(&before)).map(|(dx, before)| dx + before).collect();
        assert_close("accumulated dx", &outcome.values(&added, input.c), &sum, 1e-6);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn forward_is_the_definition_and_backward_its_transpose(shape in arb_shape(), ties: bool, seed: u64) {
        // All values are negative, so padding counted as zero would be noticed. They have few distinct
        // values, hence many ties.
        let levels = if ties { 2.0 } else { 1e6 };
        let x: Vec<f32> =
            numbers(seed, shape.input().len()).iter().map(|v| (v * levels).round() / levels - 2.0).collect();
        check(shape, &x, &numbers(seed ^ 1, shape.output().len()));
    }
}

#[test]
fn nan_and_minus_infinity_are_values() {
    let shape = PoolShape::new(Nhwc::new(2, 4, 5, 3), Window::square(3, 1, 1)).unwrap();
    let dy = numbers(1, shape.output().len());
    check(shape, &vec![f32::NEG_INFINITY; shape.input().len()], &dy);
    check(shape, &vec![f32::NAN; shape.input().len()], &dy);
    let mut x = numbers(2, shape.input().len());
    x.iter_mut().step_by(7).for_each(|x| *x = f32::NAN);
    x.iter_mut().skip(1).step_by(5).for_each(|x| *x = f32::INFINITY);
    x.iter_mut().skip(2).step_by(4).for_each(|x| *x = f32::NEG_INFINITY);
    check(shape, &x, &dy);
}

#[test]
fn the_largest_window_and_sppf() {
    for (image, window) in
        [(16, Window::square(16, 1, 0)), (17, Window::square(16, 3, 15)), (10, Window::square(5, 1, 2))]
    {
        let shape = PoolShape::new(Nhwc::new(1, image, image, 2), window).unwrap();
        check(shape, &numbers(1, shape.input().len()), &numbers(2, shape.output().len()));
    }
}
