//! [`apply`] and [`apply_to_graph`]: the smaller network that a [`PrunePlan`] describes.

use bonsai_checkpoint::{Checkpoint, Weights};
use bonsai_graph::{Graph, GraphError, Node, NodeId, Op, ParamRole, ParamSpec};

use crate::param::checked;
use crate::{Coupling, PruneError, PrunePlan};

/// Removes the channels that `plan` does not keep.
///
/// As [`apply_to_graph`] for the network of a checkpoint. Head, class names and metadata stay. The training
/// state is dropped, because its momentum has the old shapes.
///
/// # Errors
/// As [`apply_to_graph`].
pub fn apply(plan: &PrunePlan, model: &Checkpoint) -> Result<Checkpoint, PruneError> {
    let (graph, weights) = apply_to_graph(plan, model.model.graph(), &model.weights)?;
    with_network(model, graph, weights)
}

/// A checkpoint of another network with the head, class names and metadata of `model`.
pub(crate) fn with_network(
    model: &Checkpoint,
    graph: Graph,
    weights: Weights,
) -> Result<Checkpoint, PruneError> {
    let mut checkpoint = Checkpoint::new(model.model.with_graph(graph)?, weights)?;
    checkpoint.metadata.clone_from(&model.metadata);
    Ok(checkpoint)
}

/// Removes the channels that `plan` does not keep from any network, such as a classifier.
///
/// A convolution loses output rows, and the convolutions that read it lose the matching input columns;
/// batch-norm vectors and [`Op::Slice`] ranges shrink with them. If the removed channels have gamma = beta =
/// 0, the result computes the same function, up to the order of summation.
///
/// # Shapes
/// A kernel `[out, in, k, k]` becomes `[out', in', k, k]`, where `out'` is the length of its `keep` list.
/// A grouped kernel `[out, in / groups, k, k]` loses rows and whole groups; its second axis stays.
/// Spatial sizes and the network's outputs do not change.
///
/// # Errors
/// Plan made for another model: [`PruneError::UnknownLayer`], [`PruneError::MissingLayer`],
/// [`PruneError::Channels`] or [`PruneError::OtherNetwork`].
/// Plan that breaks a rule: [`PruneError::Uncoupled`], [`PruneError::Pinned`] or
/// [`PruneError::EmptiedLayer`].
/// Weights that do not belong to the network: [`PruneError::Checkpoint`].
pub fn apply_to_graph(
    plan: &PrunePlan,
    graph: &Graph,
    weights: &Weights,
) -> Result<(Graph, Weights), PruneError> {
    let kept = plan.kept_channels(&Coupling::from_graph(graph))?;
    let pruned = pruned_graph(graph, &kept)?;
    let mut remaining = Weights::new();
    for spec in graph.params() {
        let array = checked(weights, &spec)?;
        let rows = array.select(0, &kept[spec.node.index()]);
        let array = match source_of_columns(graph.node(spec.node), &spec) {
            Some(source) => rows.select(1, &kept[source.index()]),
            None => rows,
        };
        remaining.insert(spec.name, array);
    }
    Ok((pruned, remaining))
}

/// The graph with the widths that remain after pruning; needs no weights.
pub(crate) fn pruned_graph(graph: &Graph, kept: &[Vec<usize>]) -> Result<Graph, GraphError> {
    graph.map_ops(|id, node| pruned_op(id, node, kept))
}

fn pruned_op(id: NodeId, node: &Node, kept: &[Vec<usize>]) -> Op {
    let width = kept[id.index()].len();
    match *node.op() {
        Op::Conv2d { kernel, stride, padding, bias, groups, .. } => {
            // Groups are removed whole, so their number shrinks in proportion to the outputs; a single group
            // stays.
            let groups = if groups == 1 { 1 } else { width * groups / node.channels() };
            Op::Conv2d { out_channels: width, kernel, stride, padding, bias, groups }
        }
        // The slice keeps the kept input channels within its range, so its new start is the number of kept
        // input channels before the old start.
        Op::Slice { start, .. } => {
            let start = kept[node.inputs()[0].index()].partition_point(|c| *c < start);
            Op::Slice { start, len: width }
        }
        Op::Input { .. }
        | Op::BatchNorm { .. }
        | Op::Silu
        | Op::Add
        | Op::Concat
        | Op::MaxPool { .. }
        | Op::Upsample { .. } => *node.op(),
    }
}

/// The layer whose channels are the second axis of a parameter; the first axis is always the layer's own.
fn source_of_columns(node: &Node, spec: &ParamSpec) -> Option<NodeId> {
    match spec.role {
        // Columns of a grouped convolution are positions within a group, which is kept or removed whole.
        ParamRole::ConvWeight if node.op().is_grouped() => None,
        ParamRole::ConvWeight => node.inputs().first().copied(),
        ParamRole::ConvBias
        | ParamRole::BnGamma
        | ParamRole::BnBeta
        | ParamRole::BnMean
        | ParamRole::BnVar => None,
    }
}
