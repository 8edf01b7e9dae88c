//! [`add_l1_to_gradient`], [`add_group_lasso_to_gradient`] and [`shrink`]: penalties on plain slices.

use std::collections::BTreeMap;

/// Adds `lambda * sign(value)` to each gradient, with `sign(0) = 0`.
///
/// This is the subgradient of `lambda * |value|`; a NaN value adds nothing.
///
/// # Panics
/// If the lengths differ, which is a bug of the caller.
pub fn add_l1_to_gradient(gradient: &mut [f32], values: &[f32], lambda: f32) {
    assert_eq!(gradient.len(), values.len(), "every value needs a gradient");
    for (g, value) in gradient.iter_mut().zip(values) {
        if *value > 0.0 {
            *g += lambda;
        } else if *value < 0.0 {
            *g -= lambda;
        }
    }
}

/// Adds `lambda * sqrt(n) * value / norm` to the gradient of each value in a group of `n` values with that
/// norm. Adds nothing if the norm is 0 or the value has no group.
///
/// This is the subgradient of the group lasso `lambda * sqrt(n) * norm` (Yuan and Lin, 2006), which shrinks
/// values that are removed together. Values of equal magnitude get the same gradient as from
/// [`add_l1_to_gradient`], so the travel of a strength stays the same.
///
/// # Panics
/// If the lengths differ, which is a bug of the caller.
pub fn add_group_lasso_to_gradient(
    gradient: &mut [f32],
    values: &[f32],
    groups: &[Option<usize>],
    lambda: f32,
) {
    assert_eq!(gradient.len(), values.len(), "every value needs a gradient");
    assert_eq!(groups.len(), values.len(), "every value needs a group entry");
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

/// Moves each value by `threshold` towards zero, but not past it. Call it after the optimiser's step, instead
/// of adding a penalty to the gradient. Gives exact zeros.
///
/// With a threshold of `lr * lambda / (1 - momentum)`, a strength has the same travel as with
/// [`add_l1_to_gradient`] under SGD; for an optimiser that divides by the size of gradients, use
/// `lr * lambda`.
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
