//! Penalties on plain slices: what they add to gradients, and the soft threshold.

use std::collections::BTreeMap;

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

/// Adds `lambda * sqrt(n) * value / norm` to each gradient of a group of `n` values with this norm, and nothing where the
/// norm is 0 or where there is no group.
///
/// The subgradient of the group lasso `lambda * sqrt(n) * norm` (Yuan and Lin, 2006): values that are removed together
/// become small together. Values of one magnitude are pulled as by [`add_l1_to_gradient`], so a strength keeps its travel.
///
/// # Panics
/// If the lengths differ: that is a bug of the caller, not a property of data.
pub fn add_group_lasso_to_gradient(
    gradient: &mut [f32],
    values: &[f32],
    groups: &[Option<usize>],
    lambda: f32,
) {
    assert_eq!(gradient.len(), values.len(), "a gradient for every value");
    assert_eq!(groups.len(), values.len(), "a group for every value");
    let mut sums: BTreeMap<usize, (f64, f64)> = BTreeMap::new();
    for (value, group) in values.iter().zip(groups) {
        if let Some(group) = group {
            let (members, squares) = sums.entry(*group).or_default();
            *members += 1.0;
            *squares += f64::from(*value).powi(2);
        }
    }
    for ((g, value), group) in gradient.iter_mut().zip(values).zip(groups) {
        let sums = group.and_then(|group| sums.get(&group)).filter(|(_, squares)| *squares > 0.0);
        if let Some((members, squares)) = sums {
            *g += lambda * (f64::from(*value) * (members / squares).sqrt()) as f32;
        }
    }
}

/// Moves each value by `threshold` towards zero, and no further: after the optimiser's step, instead of a penalty in its
/// gradient. Makes true zeros.
///
/// For a threshold of `lr * lambda / (1 - momentum)` a strength has the same travel as with [`add_l1_to_gradient`] under
/// SGD; an optimiser that divides by the size of gradients has `lr * lambda`.
pub fn shrink(values: &mut [f32], threshold: f32) {
    for value in values {
        if value.abs() <= threshold {
            *value = 0.0;
        } else if *value > 0.0 {
            *value -= threshold;
        } else if *value < 0.0 {
            *value += threshold;
        }
    }
}
