//! SiLU against its definition and finite differences.

use bonsai_kernels::silu;
use proptest::prelude::*;

use crate::numbers::{assert_close, finite_differences};

proptest! {
    #[test]
    fn value_and_slope_match_the_definition(x in prop::collection::vec(-30.0f32..30.0, 1..20)) {
        let define = |x: f64| x / (1.0 + (-x).exp());
        let (mut y, mut dx) = (vec![0.0; x.len()], vec![0.0; x.len()]);
        silu::forward(&x, &mut y).unwrap();
        silu::backward(&x, &vec![1.0; x.len()], &mut dx).unwrap();
        let wide: Vec<f64> = x.iter().map(|&x| f64::from(x)).collect();
        assert_close("y", &y, &wide.iter().map(|&x| define(x)).collect::<Vec<_>>(), 1e-7);
        let slopes = finite_differences(&wide, |x| x.iter().map(|&x| define(x)).sum());
        assert_close("dx", &dx, &slopes, 1e-6);
    }

    #[test]
    fn the_gradient_is_linear_in_the_upstream_gradient(x in -5.0f32..5.0, dy in -4.0f32..4.0) {
        let (mut one, mut scaled) = ([0.0], [0.0]);
        silu::backward(&[x], &[1.0], &mut one).unwrap();
        silu::backward(&[x], &[dy], &mut scaled).unwrap();
        prop_assert!((scaled[0] - dy * one[0]).abs() < 1e-6);
    }
}
