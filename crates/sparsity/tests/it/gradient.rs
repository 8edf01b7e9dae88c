//! The subgradient of L1.

use bonsai_sparsity::add_l1_to_gradient;
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
    /// A step down the subgradient, if it does not cross zero, shortens every value by the same amount.
    #[test]
    fn a_step_pulls_towards_zero(values in vec(-2.0f32..2.0, 1..20), lambda in 0.0f32..1.0) {
        let mut gradient = vec![0.0; values.len()];
        add_l1_to_gradient(&mut gradient, &values, lambda);
        for (value, g) in values.iter().zip(&gradient).filter(|(v, _)| v.abs() > lambda) {
            prop_assert!(((value - g).abs() - (value.abs() - lambda)).abs() < 1e-6);
        }
    }
}
