//! [`Rounding`]: the wires that training rounds to 8-bit codes.
//!
//! The codes are those of the network with folded batch norm, in which a convolution and its batch norm are one
//! layer. Wires that share memory with a rounded wire, such as a slice or a concat, are rounded with it.

use bonsai_graph::{CodeScale, Graph, NodeId, Op, Quantization};

use crate::ExecError;

/// The codes of every rounded wire.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rounding {
    /// By wire; empty if training does not round.
    wires: Vec<Option<CodeScale>>,
}

impl Rounding {
    /// The wires of `graph` that a layer computes in codes of `quantization`.
    pub(crate) fn new(graph: &Graph, quantization: &Quantization) -> Result<Self, ExecError> {
        let folded = graph.fold_batch_norm();
        let mut wires = Vec::with_capacity(graph.nodes().len());
        for node in graph.nodes() {
            let fold = folded.folds.iter().find(|fold| fold.batch_norm == node.name());
            let name = match node.op() {
                Op::Conv2d { .. } if folded.folds.iter().any(|fold| fold.conv == node.name()) => None,
                Op::BatchNorm { .. } => {
                    let reason =
                        "no convolution directly before it takes this batch norm; train without 8-bit codes";
                    let refused = || ExecError::Codes { layer: node.name().to_owned(), reason };
                    Some(fold.ok_or_else(refused)?.conv.as_str())
                }
                Op::Conv2d { .. } | Op::Silu | Op::Add => Some(node.name()),
                Op::Input { .. }
                | Op::Concat
                | Op::Slice { .. }
                | Op::MaxPool { .. }
                | Op::Upsample { .. } => None,
            };
            let wire = name.and_then(|name| folded.graph.find(name));
            let wire = wire.filter(|wire| !folded.graph.is_plain_output(*wire));
            wires.push(wire.map(|wire| quantization.get(&folded.graph, wire)).transpose()?);
        }
        Ok(Self { wires })
    }

    /// Whether training rounds.
    pub(crate) fn is_on(&self) -> bool {
        !self.wires.is_empty()
    }

    /// The codes to which a wire is rounded.
    pub(crate) fn codes(&self, wire: NodeId) -> Option<CodeScale> {
        self.wires.get(wire.index()).copied().flatten()
    }

    /// `taps` and all rounded wires: those that must exist in training.
    pub(crate) fn kept(&self, graph: &Graph, taps: &[NodeId]) -> Vec<NodeId> {
        graph.ids().filter(|id| taps.contains(id) || self.codes(*id).is_some()).collect()
    }
}
