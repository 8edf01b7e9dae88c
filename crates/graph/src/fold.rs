//! [`Graph::fold_batch_norm`]: removes batch norms that can be folded into the convolution before them.
//!
//! The exporter and the inference engines share this pass over the graph. `bonsai-checkpoint` computes the
//! folded weights.

use crate::{Graph, GraphBuilder, NodeId, Op};

/// One batch norm that was folded into one convolution.
#[derive(Debug, Clone, PartialEq)]
pub struct Fold {
    /// Name of the convolution, in the old and in the new graph.
    pub conv: String,
    /// Name of the batch norm that is gone.
    pub batch_norm: String,
    /// Its eps.
    pub eps: f32,
    /// Whether the convolution had a bias before.
    pub had_bias: bool,
}

/// A graph without the batch norms that could be folded, and what was folded.
#[derive(Debug, Clone)]
pub struct FoldedGraph {
    /// The shorter graph; outputs are in the old order.
    pub graph: Graph,
    /// The folded pairs, in topological order.
    pub folds: Vec<Fold>,
}

impl Graph {
    /// Folds every batch norm that is the only reader of a convolution which is not itself an output.
    ///
    /// Other batch norms stay, because folding them would change the input of another reader. Of several
    /// batch norms in a row, only the first is folded.
    pub fn fold_batch_norm(&self) -> FoldedGraph {
        let consumers = self.consumers();
        let folds_into = |id: NodeId| {
            let node = self.node(id);
            let Op::BatchNorm { eps, .. } = node.op else { return None };
            let source = node.inputs[0];
            let Op::Conv2d { bias, .. } = self.node(source).op else { return None };
            let only_reader = consumers[source.0].len() == 1 && !self.outputs.contains(&source);
            only_reader.then_some((source, eps, bias))
        };
        let mut folds = Vec::new();
        let mut gains_bias = vec![false; self.nodes.len()];
        for id in self.ids() {
            if let Some((conv, eps, had_bias)) = folds_into(id) {
                gains_bias[conv.0] = true;
                let conv = self.node(conv).name.clone();
                let batch_norm = self.node(id).name.clone();
                folds.push(Fold { conv, batch_norm, eps, had_bias });
            }
        }
        let mut builder = GraphBuilder::new();
        let mut new_id: Vec<NodeId> = Vec::with_capacity(self.nodes.len());
        for (id, node) in self.iter() {
            if let Some((conv, ..)) = folds_into(id) {
                new_id.push(new_id[conv.0]);
                continue;
            }
            let mut op = node.op;
            if let Op::Conv2d { bias, .. } = &mut op {
                *bias |= gains_bias[id.0];
            }
            let inputs: Vec<NodeId> = node.inputs.iter().map(|i| new_id[i.0]).collect();
            new_id.push(builder.push(&node.name, op, &inputs).expect("folding keeps every width"));
        }
        let outputs: Vec<NodeId> = self.outputs.iter().map(|o| new_id[o.0]).collect();
        FoldedGraph { graph: builder.finish(&outputs).expect("folding keeps input and outputs"), folds }
    }
}
