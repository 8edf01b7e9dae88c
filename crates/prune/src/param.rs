//! [`checked`] and [`checked_mut`]: read a parameter from weights that may not belong to the network.

use bonsai_checkpoint::{Array, CheckpointError, Weights};
use bonsai_graph::ParamSpec;

/// The array for `spec`; an error if it is missing or has another shape.
pub(crate) fn checked<'a>(weights: &'a Weights, spec: &ParamSpec) -> Result<&'a Array, CheckpointError> {
    let array = weights.require(&spec.name)?;
    check_shape(&spec.name, array, &spec.shape)?;
    Ok(array)
}

/// The array of this name, writable; an error if it is missing or has another shape.
pub(crate) fn checked_mut<'a>(
    weights: &'a mut Weights,
    name: &str,
    shape: &[usize],
) -> Result<&'a mut Array, CheckpointError> {
    let array = weights.require_mut(name)?;
    check_shape(name, array, shape)?;
    Ok(array)
}

fn check_shape(name: &str, array: &Array, expected: &[usize]) -> Result<(), CheckpointError> {
    if array.shape() == expected {
        return Ok(());
    }
    Err(CheckpointError::Shape {
        name: name.to_owned(),
        expected: expected.to_vec(),
        got: array.shape().to_vec(),
    })
}
