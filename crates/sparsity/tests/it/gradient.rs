//! The subgradients of L1 and group lasso, and the soft threshold.

use bonsai_sparsity::{add_group_lasso_to_gradient, add_l1_to_gradient, shrink};
use proptest::collection::vec;
use proptest::prelude::*;

#[test]
fn signs_by_hand() {
    let values = [2.0, -3.0, 0.0, -0.0, f32::MIN_POSITIVE, f32::NAN, f32::NEG_INFINITY];
    let mut gradient = [1.0; 7];
    add_l1_to_gradient(&mut gradient, &values, 0.25);
    assert_eq!(gradient.to_vec(), [1.25, 0.75, 1.0, 1.0, 1.25, 1.0, 0.75]);
}

#[test]
fn a_strength_of_zero_changes_nothing() {
    let mut gradient = [1.5, -0.0];
    add_l1_to_gradient(&mut gradient, &[3.0, 0.0], 0.0);
    assert_eq!(gradient.map(f32::to_bits), [1.5f32, -0.0].map(f32::to_bits));
}

proptest! {
    /// A gradient step that does not cross zero moves every value by the same amount towards zero.
    #[test]
    fn a_step_pulls_towards_zero(values in vec(-2.0f32..2.0, 1..20), lambda in 0.0f32..1.0) {
        let mut gradient = vec![0.0; values.len()];
        add_l1_to_gradient(&mut gradient, &values, lambda);
        for (value, g) in values.iter().zip(&gradient).filter(|(v, _)| v.abs() > lambda) {
            prop_assert!(((value - g).abs() - (value.abs() - lambda)).abs() < 1e-6);
        }
    }
}

#[test]
fn groups_by_hand() {
    // Group 5 is (3, 4) with norm 5; group 0 is zero; the last value has no group.
    let values = [3.0, 0.0, 4.0, 0.0, -7.0];
    let groups = [Some(5), Some(0), Some(5), Some(0), None];
    let mut gradient = [1.0; 5];
    add_group_lasso_to_gradient(&mut gradient, &values, &groups, 0.5);
    let root = std::f32::consts::SQRT_2;
    for (g, expected) in gradient.iter().zip([1.0 + 0.3 * root, 1.0, 1.0 + 0.4 * root, 1.0, 1.0]) {
        assert!((g - expected).abs() < 1e-6, "{gradient:?}");
    }
}

#[test]
fn shrinking_by_hand() {
    let mut values = [2.0, -2.0, 0.5, -0.5, 0.1, -0.1, 0.0, f32::NAN, f32::NEG_INFINITY];
    shrink(&mut values, 0.5);
    assert_eq!(values[..7], [1.5, -1.5, 0.0, 0.0, 0.0, 0.0, 0.0]);
    assert!(values[7].is_nan() && values[8] == f32::NEG_INFINITY);
}

proptest! {
    /// Groups of equal magnitudes, and groups of one value, get the same gradient as L1.
    #[test]
    fn groups_of_equals_are_pulled_by_sign(
        signs in vec(prop_oneof![Just(-1.0f32), Just(1.0)], 1..30),
        size in 1e-3f32..3.0,
        lambda in 0.0f32..1.0,
        alone: bool,
    ) {
        let values: Vec<f32> = signs.iter().map(|sign| sign * size).collect();
        let groups: Vec<_> = (0..values.len()).map(|i| Some(if alone { i } else { i % 4 })).collect();
        let mut grouped = vec![0.0; values.len()];
        let mut single = vec![0.0; values.len()];
        add_group_lasso_to_gradient(&mut grouped, &values, &groups, lambda);
        add_l1_to_gradient(&mut single, &values, lambda);
        prop_assert_eq!(grouped, single);
    }

    /// Shrinking is the proximal step: its result minimises `(x - value)^2 / 2 + threshold * |x|` over all
    /// `x`.
    #[test]
    fn shrinking_is_the_proximal_step(value in -2.0f32..2.0, threshold in 0.0f32..1.5, other in -2.0f32..2.0) {
        let mut shrunk = [value];
        shrink(&mut shrunk, threshold);
        let cost = |x: f32| (x - value).powi(2) / 2.0 + threshold * x.abs();
        prop_assert!(cost(shrunk[0]) <= cost(other) + 1e-6);
    }
}
