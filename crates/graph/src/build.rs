//! [`GraphBuilder`]: builds a graph layer by layer and checks every wire when the layer is added.

use std::collections::HashSet;
use std::fmt::Display;

use crate::{Graph, GraphError, Node, NodeId, Op};

/// Largest accepted channel count. The limit keeps every size computed from a graph far from overflow.
const MAX_CHANNELS: usize = 1 << 16;
/// Largest accepted kernel, stride or upsampling factor.
const MAX_WINDOW: usize = 64;
/// Largest accepted number of layers.
const MAX_NODES: usize = 1 << 16;

/// Collects layers. [`GraphBuilder::finish`] turns them into a [`Graph`].
#[derive(Debug, Default)]
pub struct GraphBuilder {
    nodes: Vec<Node>,
    names: HashSet<String>,
}

impl GraphBuilder {
    /// An empty builder.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a layer that reads `inputs` and infers its channels.
    ///
    /// # Errors
    /// [`GraphError`] if the name is taken or malformed, an input does not exist, or the numbers do not fit
    /// together.
    pub fn push(&mut self, name: &str, op: Op, inputs: &[NodeId]) -> Result<NodeId, GraphError> {
        let valid = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/');
        if name.is_empty() || name == "outputs" || !name.chars().all(valid) {
            return Err(GraphError::InvalidName { name: name.to_owned() });
        }
        if let Some(missing) = inputs.iter().find(|i| i.0 >= self.nodes.len()) {
            return Err(GraphError::UnknownInput { node: name.to_owned(), input: format!("#{}", missing.0) });
        }
        if self.nodes.len() >= MAX_NODES {
            return Err(invalid(name, "number of layers", self.nodes.len() + 1, "at most 65536"));
        }
        let channels = self.infer_channels(name, &op, inputs)?;
        if channels == 0 || channels > MAX_CHANNELS {
            return Err(invalid(name, "channels", channels, "in 1..=65536"));
        }
        if !self.names.insert(name.to_owned()) {
            return Err(GraphError::DuplicateName { name: name.to_owned() });
        }
        self.nodes.push(Node { name: name.to_owned(), op, inputs: inputs.to_vec(), channels });
        Ok(NodeId(self.nodes.len() - 1))
    }

    /// Adds a bias-free convolution padded by half its kernel: the usual convolution before a batch norm.
    ///
    /// # Errors
    /// As [`GraphBuilder::push`].
    pub fn conv(
        &mut self,
        name: &str,
        input: NodeId,
        out_channels: usize,
        kernel: usize,
        stride: usize,
    ) -> Result<NodeId, GraphError> {
        let op = Op::Conv2d { out_channels, kernel, stride, padding: kernel / 2, bias: false, groups: 1 };
        self.push(name, op, &[input])
    }

    /// Number of output channels of a layer that was already added.
    pub fn channels(&self, id: NodeId) -> usize {
        self.nodes[id.0].channels
    }

    /// Finishes the graph with these outputs, in order.
    ///
    /// # Errors
    /// [`GraphError::InputsOutputs`] unless there is exactly one input and at least one output,
    /// [`GraphError::UnknownInput`] if an output does not exist.
    pub fn finish(self, outputs: &[NodeId]) -> Result<Graph, GraphError> {
        let inputs = self.nodes.iter().filter(|n| matches!(n.op, Op::Input { .. })).count();
        if inputs != 1 || outputs.is_empty() {
            return Err(GraphError::InputsOutputs { inputs, outputs: outputs.len() });
        }
        if let Some(missing) = outputs.iter().find(|o| o.0 >= self.nodes.len()) {
            return Err(GraphError::UnknownInput {
                node: "outputs".to_owned(),
                input: format!("#{}", missing.0),
            });
        }
        Ok(Graph { nodes: self.nodes, outputs: outputs.to_vec() })
    }

    fn infer_channels(&self, name: &str, op: &Op, inputs: &[NodeId]) -> Result<usize, GraphError> {
        let count = |expected: &'static str, ok: bool| {
            if ok {
                Ok(())
            } else {
                let node = name.to_owned();
                Err(GraphError::InputCount { node, op: op.keyword(), expected, got: inputs.len() })
            }
        };
        let one = || {
            count("exactly 1", inputs.len() == 1)?;
            Ok(self.nodes[inputs[0].0].channels)
        };
        match *op {
            Op::Input { channels } => count("no", inputs.is_empty()).map(|()| channels),
            Op::Conv2d { out_channels, kernel, stride, padding, groups, .. } => {
                let channels = one()?;
                check_window(name, kernel, stride)?;
                if padding >= kernel {
                    return Err(invalid(name, "padding", padding, "smaller than the kernel"));
                }
                let divides = |channels: usize| groups > 0 && channels.is_multiple_of(groups);
                if !divides(channels) || !divides(out_channels) {
                    return Err(GraphError::Groups {
                        node: name.to_owned(),
                        groups,
                        input: self.nodes[inputs[0].0].name.clone(),
                        channels,
                        out_channels,
                    });
                }
                Ok(out_channels)
            }
            Op::BatchNorm { eps, momentum } => {
                if !(eps.is_finite() && eps > 0.0) {
                    return Err(invalid(name, "eps", eps, "positive"));
                }
                if !(0.0..=1.0).contains(&momentum) {
                    return Err(invalid(name, "momentum", momentum, "in 0..=1"));
                }
                one()
            }
            Op::Silu => one(),
            Op::Add => {
                count("2 or more", inputs.len() >= 2)?;
                self.check_add(name, inputs)
            }
            Op::Concat => {
                count("1 or more", !inputs.is_empty())?;
                Ok(inputs.iter().map(|i| self.nodes[i.0].channels).sum())
            }
            Op::Slice { start, len } => {
                let channels = one()?;
                match start.checked_add(len) {
                    Some(end) if end <= channels && len > 0 => Ok(len),
                    end => Err(GraphError::SliceRange {
                        node: name.to_owned(),
                        start,
                        end: end.unwrap_or(usize::MAX),
                        input: self.nodes[inputs[0].0].name.clone(),
                        channels,
                    }),
                }
            }
            Op::MaxPool { kernel, stride, padding } => {
                check_window(name, kernel, stride)?;
                if padding > kernel / 2 {
                    return Err(invalid(name, "padding", padding, "at most half of the kernel"));
                }
                one()
            }
            Op::Upsample { scale } => {
                check_window(name, scale, 1)?;
                one()
            }
        }
    }

    fn check_add(&self, name: &str, inputs: &[NodeId]) -> Result<usize, GraphError> {
        let first = &self.nodes[inputs[0].0];
        for input in &inputs[1..] {
            let other = &self.nodes[input.0];
            if other.channels != first.channels {
                return Err(GraphError::AddChannels {
                    node: name.to_owned(),
                    left: first.name.clone(),
                    left_channels: first.channels,
                    right: other.name.clone(),
                    right_channels: other.channels,
                });
            }
        }
        Ok(first.channels)
    }
}

impl Graph {
    /// The same wiring with other layer parameters: `f` returns the new operation of each layer.
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

fn check_window(name: &str, kernel: usize, stride: usize) -> Result<(), GraphError> {
    for (field, value) in [("kernel", kernel), ("stride", stride)] {
        if !(1..=MAX_WINDOW).contains(&value) {
            return Err(invalid(name, field, value, "in 1..=64"));
        }
    }
    Ok(())
}

fn invalid(name: &str, field: &'static str, got: impl Display, expected: &'static str) -> GraphError {
    GraphError::InvalidNumber { node: name.to_owned(), field, got: got.to_string(), expected }
}
