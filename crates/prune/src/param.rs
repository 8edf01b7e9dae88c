//! [`checked`]: reads a parameter from weights that may not belong to the network.

use bonsai_checkpoint::{Array, CheckpointError, Weights};
use bonsai_graph::ParamSpec;

/// The array for `spec`; an error if it is missing or has another shape.
pub(crate) fn checked<'a>(weights: &'a Weights, spec: &ParamSpec) -> Result<&'a Array, CheckpointError> {
    let array = weights.require(&spec.name)?;
    if array.shape() == spec.shape {
        return Ok(array);
    }
    Err(CheckpointError::Shape {
        name: spec.name.clone(),
        expected: spec.shape.clone(),
        got: array.shape().to_vec(),
    })
}
