//! [`Cost`] of a network: trained scalars and multiply-accumulates.

use serde::{Deserialize, Serialize};

use crate::{Graph, GraphError, Op, Size};

/// Size and work of a network at batch 1. Work that exceeds `u64` is reported as [`u64::MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    /// Trained scalars; running statistics are not counted.
    pub params: u64,
    /// Multiply-accumulates of the convolutions (published GFLOPs are twice this).
    pub macs: u64,
}

impl Graph {
    /// Cost for an image of this size.
    ///
    /// # Errors
    /// As [`Graph::shapes`].
    pub fn cost(&self, size: Size) -> Result<Cost, GraphError> {
        let macs = self.node_macs(size)?.into_iter().fold(0, u64::saturating_add);
        let params = self.params().iter().filter(|p| p.role.is_trained()).map(|p| p.len() as u64).sum();
        Ok(Cost { params, macs })
    }

    /// Multiply-accumulates of every layer, in topological order; 0 for all layers except convolutions.
    ///
    /// # Errors
    /// As [`Graph::shapes`].
    pub fn node_macs(&self, size: Size) -> Result<Vec<u64>, GraphError> {
        let shapes = self.shapes(size)?;
        Ok(self
            .iter()
            .map(|(id, node)| match node.op {
                Op::Conv2d { kernel, groups, .. } => {
                    let per_value = (self.in_channels(id) / groups * kernel * kernel) as u64;
                    per_value.saturating_mul(shapes[id.0].len() as u64)
                }
                Op::Input { .. }
                | Op::BatchNorm { .. }
                | Op::Silu
                | Op::Add
                | Op::Concat
                | Op::Slice { .. }
                | Op::MaxPool { .. }
                | Op::Upsample { .. } => 0,
            })
            .collect())
    }
}
