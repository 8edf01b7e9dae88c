//! [`Graph`]: a validated, topologically ordered list of layers.

use crate::{GraphError, Op};

/// Position of a layer in its [`Graph`]. The inputs of a layer always have smaller positions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub(crate) usize);

impl NodeId {
    /// The position as an index into [`Graph::nodes`].
    pub const fn index(self) -> usize {
        self.0
    }
}

/// One layer and the layers that it reads.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    pub(crate) name: String,
    pub(crate) op: Op,
    pub(crate) inputs: Vec<NodeId>,
    pub(crate) channels: usize,
}

impl Node {
    /// Name of the layer, as in Ultralytics (`model.2.m.0.cv1.conv`).
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The operation of the layer.
    pub const fn op(&self) -> &Op {
        &self.op
    }

    /// The layers it reads, in order.
    pub fn inputs(&self) -> &[NodeId] {
        &self.inputs
    }

    /// Number of output channels (inferred).
    pub const fn channels(&self) -> usize {
        self.channels
    }
}

/// A network. [`GraphBuilder`](crate::GraphBuilder), the text parser and the deserialiser create it; it is
/// always valid.
#[derive(Debug, Clone, PartialEq)]
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

    /// Position of the layer with this name.
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

    /// For each layer, the layers that read it; a layer that reads it twice is listed twice.
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

    /// Whether the layer is a convolution in which output channel `c` reads input channel `c` only.
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

    /// The same network with further outputs appended. A layer that other layers read may be an output.
    ///
    /// # Errors
    /// [`GraphError::UnknownInput`] if a layer does not exist.
    pub fn with_more_outputs(&self, more: &[NodeId]) -> Result<Self, GraphError> {
        if let Some(missing) = more.iter().find(|id| id.0 >= self.nodes.len()) {
            let node = "outputs".to_owned();
            let input = format!("#{}", missing.0);
            return Err(GraphError::UnknownInput { node, input });
        }
        let outputs = self.outputs.iter().chain(more).copied().collect();
        Ok(Self { nodes: self.nodes.clone(), outputs })
    }

    /// The last layer in topological order on which both `a` and `b` depend. A layer depends on itself.
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
}
