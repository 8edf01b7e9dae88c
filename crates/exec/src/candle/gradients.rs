//! [`Gradients`] of the parameters, as one backward pass gives them.

use bonsai_graph::{NodeId, ParamRole};
use candle_core::Tensor;

/// Gradients by layer and role.
pub(super) type Gradients = Vec<(NodeId, ParamRole, Tensor)>;
