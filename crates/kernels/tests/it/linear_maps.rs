//! Tests of copies, upsampling and sums: exact results, or sums of exact values.

use bonsai_kernels::{BiasGradient, BiasSums, Copy, Nhwc, Upsample, UpsampleGradient, Zero, padded};
use proptest::prelude::*;

use crate::arena::{Arena, Rows};
use crate::numbers::{assert_close, numbers, wide};
use crate::reference::upsample;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn upsampling(
        n in 1usize..3, h in 1usize..6, w in 1usize..6, c in 1usize..40, factor in 1usize..4, seed: u64,
    ) {
        let logical = Nhwc::new(n, h, w, c);
        let sources = upsample::sources(logical, factor);
        let x = numbers(seed, logical.len());
        let dy = numbers(seed ^ 1, sources.len());
        let before = numbers(seed ^ 2, logical.len());
        let input = Nhwc { c: padded(c), ..logical };
        let output = Upsample::output(input, factor).unwrap();
        prop_assert_eq!(output.pixels() * c, sources.len());
        let mut arena = Arena::new();
        let x_view = arena.input(Rows::Apart, c, &x);
        let dy_view = arena.input(Rows::Apart, c, &dy);
        let y = arena.output(Rows::Apart, output.pixels(), c);
        let stored = arena.output(Rows::Dense, input.pixels(), c);
        let added = arena.input(Rows::Apart, c, &before);
        let outcomes = arena.run(|p| {
            p.push("up", Upsample { input, factor, x: x_view, y }).unwrap();
            for (dx, accumulate) in [(stored, false), (added, true)] {
                p.push("down", UpsampleGradient { input, factor, dy: dy_view, dx, accumulate }).unwrap();
            }
        });
        let expected: Vec<f32> = sources.iter().map(|&from| x[from]).collect();
        let mut dx = vec![0.0; x.len()];
        dy.iter().zip(&sources).for_each(|(&dy, &from)| dx[from] += f64::from(dy));
        let sum: Vec<f64> = dx.iter().zip(wide(&before)).map(|(dx, before)| dx + before).collect();
        for outcome in outcomes {
            prop_assert_eq!(&outcome.values(&y, c), &expected);
            assert_close("dx", &outcome.values(&stored, c), &dx, 1e-6);
            assert_close("accumulated dx", &outcome.values(&added, c), &sum, 1e-6);
        }
    }

    #[test]
    fn copies_and_zeros(pixels in 1usize..3000, c in 1usize..40, seed: u64) {
        let x = numbers(seed, pixels * c);
        let before = numbers(seed ^ 1, pixels * c);
        let mut arena = Arena::new();
        let from = arena.input(Rows::Apart, c, &x);
        let stored = arena.output(Rows::Dense, pixels, c);
        let zero = arena.output(Rows::Apart, pixels, c);
        let added = arena.input(Rows::Apart, c, &before);
        let outcomes = arena.run(|p| {
            p.push("copy", Copy { from, to: stored, accumulate: false }).unwrap();
            p.push("add", Copy { from, to: added, accumulate: true }).unwrap();
            p.push("zero", Zero { view: zero }).unwrap();
        });
        let sum: Vec<f32> = x.iter().zip(&before).map(|(x, before)| x + before).collect();
        for outcome in outcomes {
            prop_assert_eq!(&outcome.values(&stored, c), &x);
            prop_assert_eq!(&outcome.values(&added, c), &sum);
            prop_assert!(outcome.values(&zero, c).iter().all(|v| v.to_bits() == 0));
        }
    }

    #[test]
    fn gradient_of_a_bias(pixels in 1usize..3000, c in 1usize..90, seed: u64) {
        let dy = numbers(seed, pixels * c);
        let before = numbers(seed ^ 1, c);
        let mut arena = Arena::new();
        let view = arena.input(Rows::Apart, c, &dy);
        let partials = arena.output(Rows::Dense, BiasSums::parts(pixels), c);
        let db = arena.vector(&before);
        let outcomes = arena.run(|p| {
            p.push("sums", BiasSums { dy: view, partials }).unwrap();
            p.push("sum", BiasGradient { partials, db }).unwrap();
        });
        let mut expected = wide(&before);
        dy.iter().enumerate().for_each(|(i, &dy)| expected[i % c] += f64::from(dy));
        for outcome in outcomes {
            // Partial sums reach a few units, and each addition rounds one of them.
            let tolerance = 4e-6 + 1e-8 * pixels as f64;
            assert_close("db", &outcome.values(&db, c), &expected, tolerance);
        }
    }
}
