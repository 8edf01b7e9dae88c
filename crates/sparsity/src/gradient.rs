//! The penalty's subgradient on plain slices.

/// Adds `lambda * sign(value)` to each gradient, with `sign(0) = 0`.
///
/// The subgradient of `lambda * |value|`; a value that is no number adds nothing.
///
/// # Panics
/// If the lengths differ: that is a bug of the caller, not a property of data.
pub fn add_l1_to_gradient(gradient: &mut [f32], values: &[f32], lambda: f32) {
    assert_eq!(gradient.len(), values.len(), "a gradient for every value");
    for (g, value) in gradient.iter_mut().zip(values) {
        if *value > 0.0 {
            *g += lambda;
        } else if *value < 0.0 {
            *g -= lambda;
        }
    }
}
