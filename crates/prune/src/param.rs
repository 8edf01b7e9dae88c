//! A parameter of the network, taken from weights that may not belong to it.

use bonsai_checkpoint::{Array, CheckpointError, Weights};
use bonsai_graph::ParamSpec;

/// The array for `spec`, which must be there and have its shape.
pub(crate) fn checked<'a>(weights: &'a Weights, spec: &ParamSpec) -> Result<&'a Array, CheckpointError> {
    let array = weights.require(&spec.name)?;
    if array.shape == spec.shape {
        return Ok(array);
    }
    Err(CheckpointError::Shape {
        name: spec.name.clone(),
        expected: spec.shape.clone(),
        got: array.shape.clone(),
    })
}
