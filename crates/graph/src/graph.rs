//! The graph: a validated, topologically ordered list of layers.

use serde::{Deserialize, Serialize};

use crate::{GraphBuilder, GraphError, Op};

/// Position of a layer in its [`Graph`]; inputs always have smaller positions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub(crate) usize);

impl NodeId {
    /// The position as an index into [`Graph::nodes`].
    pub const fn index(self) -> usize {
        self.0
    }
}

/// One layer with its wires.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    pub(crate) name: String,
    pub(crate) op: Op,
    pub(crate) inputs: Vec<NodeId>,
    pub(crate) channels: usize,
}

impl Node {
    /// Name, as Ultralytics names it (`model.2.m.0.cv1.conv`).
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the layer does.
    pub const fn op(&self) -> &Op {
        &self.op
    }

    /// The layers it reads, in order.
    pub fn inputs(&self) -> &[NodeId] {
        &self.inputs
    }

    /// Channels of its output (inferred).
    pub const fn channels(&self) -> usize {
        self.channels
    }
}

/// A network. Made by [`GraphBuilder`], by parsing its text form, or by deserialising; always valid.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "crate::file::GraphFile", into = "crate::file::GraphFile")]
pub struct Graph {
    pub(crate) nodes: Vec<Node>,
    pub(crate) outputs: Vec<NodeId>,
}

impl Graph {
    /// All layers in topological order.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The layers whose outputs are the network's outputs, in order.
    pub fn outputs(&self) -> &[NodeId] {
        &self.outputs
    }

    /// One layer.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0]
    }

    /// All positions in topological order.
    pub fn ids(&self) -> impl DoubleEndedIterator<Item = NodeId> + use<> {
        (0..self.nodes.len()).map(NodeId)
    }

    /// Every layer with its position, in topological order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (NodeId, &Node)> {
        self.nodes.iter().enumerate().map(|(i, n)| (NodeId(i), n))
    }

    /// The layer of that name.
    pub fn find(&self, name: &str) -> Option<NodeId> {
        self.nodes.iter().position(|n| n.name == name).map(NodeId)
    }

    /// The input layer.
    pub fn input(&self) -> NodeId {
        self.iter()
            .find(|(_, n)| matches!(n.op, Op::Input { .. }))
            .map(|(id, _)| id)
            .expect("the builder accepts only graphs with an input")
    }

    /// For each layer, the layers that read it; one that reads it twice stands there twice.
    pub fn consumers(&self) -> Vec<Vec<NodeId>> {
        let mut consumers = vec![Vec::new(); self.nodes.len()];
        for (id, node) in self.iter() {
            for input in &node.inputs {
                consumers[input.0].push(id);
            }
        }
        consumers
    }

    /// Channels of a layer's first input; 0 for the input layer.
    pub fn in_channels(&self, id: NodeId) -> usize {
        self.nodes[id.0].inputs.first().map_or(0, |i| self.nodes[i.0].channels)
    }

    /// Whether a layer is a convolution of which every output channel reads the input channel at its own place only.
    pub fn is_depthwise(&self, id: NodeId) -> bool {
        match self.node(id).op {
            Op::Conv2d { groups, out_channels, .. } => {
                groups > 1 && groups == out_channels && groups == self.in_channels(id)
            }
            Op::Input { .. }
            | Op::BatchNorm { .. }
            | Op::Silu
            | Op::Add
            | Op::Concat
            | Op::Slice { .. }
            | Op::MaxPool { .. }
            | Op::Upsample { .. } => false,
        }
    }

    /// The same network with more outputs, behind those that it has; a layer that others read may be one.
    ///
    /// # Errors
    /// [`GraphError::UnknownInput`] for a layer that is not there.
    pub fn with_more_outputs(&self, more: &[NodeId]) -> Result<Self, GraphError> {
        if let Some(missing) = more.iter().find(|id| id.0 >= self.nodes.len()) {
            let node = "outputs".to_owned();
            let input = format!("#{}", missing.0);
            return Err(GraphError::UnknownInput { node, input });
        }
        let outputs = self.outputs.iter().chain(more).copied().collect();
        Ok(Self { nodes: self.nodes.clone(), outputs })
    }

    /// The layer on which both `a` and `b` depend that is the nearest to them: the last one in topological order. A layer
    /// depends on itself.
    pub fn common_ancestor(&self, a: NodeId, b: NodeId) -> Option<NodeId> {
        let ancestors = |of: NodeId| {
            let mut marks = vec![false; self.nodes.len()];
            marks[of.0] = true;
            for id in (0..=of.0).rev().filter(|id| *id < self.nodes.len()) {
                if marks[id] {
                    self.nodes[id].inputs.iter().for_each(|input| marks[input.0] = true);
                }
            }
            marks
        };
        let of_a = ancestors(a);
        let of_b = ancestors(b);
        (0..self.nodes.len()).rev().find(|id| of_a[*id] && of_b[*id]).map(NodeId)
    }

    /// The same wiring with other numbers: `f` gives each layer's new operation.
    ///
    /// # Errors
    /// [`GraphError`] if the new numbers do not fit together.
    pub fn map_ops(&self, mut f: impl FnMut(NodeId, &Node) -> Op) -> Result<Self, GraphError> {
        let mut builder = GraphBuilder::new();
        for (id, node) in self.iter() {
            builder.push(&node.name, f(id, node), &node.inputs)?;
        }
        builder.finish(&self.outputs)
    }
}
