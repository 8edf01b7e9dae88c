//! [`ModelSpec`]: a detector without its weights: the graph, the meaning of its outputs, and the class names.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{Graph, GraphError, NodeId};

/// Largest accepted stride. The limit keeps pixels computed from cells far from overflow.
const MAX_STRIDE: usize = 1 << 16;

/// Meaning of the raw outputs of a YOLOv8 network. Decoding is not a layer of the graph.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DetectHead {
    /// Number of classes.
    pub num_classes: usize,
    /// Bins of the distance distribution per box side.
    pub reg_max: usize,
    /// Pixels per cell of each level, in ascending order.
    pub strides: Vec<usize>,
    /// For each level, the position in [`Graph::outputs`] of the box logits `[n, 4 * reg_max, h, w]`.
    pub box_outputs: Vec<usize>,
    /// For each level, the position in [`Graph::outputs`] of the class logits `[n, num_classes, h, w]`.
    pub cls_outputs: Vec<usize>,
}

/// A detector without its weights. It is validated when it is created and when it is read.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelSpec {
    pub(crate) graph: Graph,
    pub(crate) head: DetectHead,
    pub(crate) class_names: Vec<String>,
}

impl ModelSpec {
    /// Combines the parts and checks that they match.
    ///
    /// # Errors
    /// [`GraphError::Head`] or [`GraphError::InvalidNumber`] if outputs, channels, strides or class names do
    /// not match.
    pub fn new(graph: Graph, head: DetectHead, class_names: Vec<String>) -> Result<Self, GraphError> {
        let check = |what: &str, expected: usize, got: usize| {
            if expected == got {
                Ok(())
            } else {
                Err(GraphError::Head { what: what.to_owned(), expected, got })
            }
        };
        let levels = head.strides.len();
        check("number of class names", head.num_classes, class_names.len())?;
        check("box outputs, one per stride", levels, head.box_outputs.len())?;
        check("class outputs, one per stride", levels, head.cls_outputs.len())?;
        let ascending = head.strides.windows(2).all(|s| s[0] <= s[1]);
        let first = head.strides.first().map_or(1, |s| *s);
        let last = head.strides.last().map_or(1, |s| *s);
        if !ascending || first == 0 || last > MAX_STRIDE {
            return Err(GraphError::InvalidNumber {
                node: "detection head".to_owned(),
                field: "strides",
                got: format!("{:?}", head.strides),
                expected: "in 1..=65536 and ascending",
            });
        }
        check("graph outputs, two per level", 2 * levels, graph.outputs().len())?;
        let box_channels = head.reg_max.saturating_mul(4);
        let outputs = [(&head.box_outputs, box_channels), (&head.cls_outputs, head.num_classes)];
        for (positions, channels) in outputs {
            for position in positions {
                let node = graph.outputs().get(*position).map(|id| graph.node(*id)).ok_or_else(|| {
                    let what = "position of an output (exclusive limit)".to_owned();
                    GraphError::Head { what, expected: graph.outputs().len(), got: *position }
                })?;
                check(&format!("channels of `{}`", node.name()), channels, node.channels())?;
            }
        }
        let positions: BTreeSet<_> = head.box_outputs.iter().chain(&head.cls_outputs).collect();
        check("different positions of outputs", 2 * levels, positions.len())?;
        Ok(Self { graph, head, class_names })
    }

    /// The network.
    pub const fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The meaning of its outputs.
    pub const fn head(&self) -> &DetectHead {
        &self.head
    }

    /// Names of the classes, by index.
    pub fn class_names(&self) -> &[String] {
        &self.class_names
    }

    /// For each level, the layer that the head reads: the last layer on which both the box and the class
    /// logits depend. This is the input layer if the two have no other layer in common.
    pub fn head_inputs(&self) -> Vec<NodeId> {
        let output = |position: &usize| self.graph.outputs()[*position];
        let pairs = self.head.box_outputs.iter().zip(&self.head.cls_outputs);
        let input = |(boxes, classes): (&usize, &usize)| {
            // Every layer depends on the input layer.
            self.graph.common_ancestor(output(boxes), output(classes)).unwrap_or_else(|| self.graph.input())
        };
        pairs.map(input).collect()
    }

    /// The same head and class names with another graph (folded, pruned) whose outputs are in the same order.
    ///
    /// # Errors
    /// As [`ModelSpec::new`].
    pub fn with_graph(&self, graph: Graph) -> Result<Self, GraphError> {
        Self::new(graph, self.head.clone(), self.class_names.clone())
    }
}
