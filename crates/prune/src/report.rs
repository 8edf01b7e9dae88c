//! [`report`]: the effect of a plan on a network, as numbers for tables.

use bonsai_checkpoint::{Checkpoint, Weights};
use bonsai_graph::{Cost, Graph, NodeId, Op, ParamRole, Size};
use serde::Serialize;

use crate::param::checked;
use crate::{
    Compensation, Coupling, PruneError, PrunePlan, Reconstruction, SelectionSummary, Trial, apply_to_graph,
};

/// The effect of a plan on a network.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PruneReport {
    /// One entry per convolution, in the network's order.
    pub layers: Vec<LayerReport>,
    /// Number of coupled channel sets.
    pub sets: usize,
    /// Number of sets that may be removed.
    pub prunable_sets: usize,
    /// Number of sets that the plan removes.
    pub removed_sets: usize,
    /// Cost before.
    pub before: Cost,
    /// Cost after.
    pub after: Cost,
    /// Largest |beta| among the removed channels. A removed channel with gamma 0 still emitted the constant
    /// SiLU(beta), which the law does not cover; if this value is near 0, fine-tuning has nothing to repair.
    pub largest_removed_beta: Option<f32>,
    /// How the plan was chosen; `None` if the caller does not know.
    pub selection: Option<SelectionSummary>,
    /// The constants folded into the readers of removed channels; `None` if that was not done.
    pub compensation: Option<Compensation>,
    /// The kernels that were refitted; `None` if that was not done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reconstruction: Option<Reconstruction>,
    /// Rankings that were tried; empty if the plan needed no trials.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub trials: Vec<Trial>,
}

/// One convolution before and after.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LayerReport {
    /// Name of the convolution.
    pub conv: String,
    /// Output channels before.
    pub original: usize,
    /// Output channels after.
    pub kept: usize,
    /// Multiply-accumulates before.
    pub macs_before: u64,
    /// Multiply-accumulates after.
    pub macs_after: u64,
    /// |gamma| before pruning of the batch norm after the convolution; `None` without a batch norm.
    pub gamma: Option<GammaRange>,
}

/// Range of |gamma| in one layer.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct GammaRange {
    /// Smallest.
    pub min: f32,
    /// Mean.
    pub mean: f32,
    /// Largest.
    pub max: f32,
}

/// Computes the effect of `plan` on `model` for images of this size.
///
/// # Errors
/// As [`apply`](crate::apply()), and [`PruneError::Graph`] if the image does not fit the network.
pub fn report(plan: &PrunePlan, model: &Checkpoint, image: Size) -> Result<PruneReport, PruneError> {
    report_on_graph(plan, model.model.graph(), &model.weights, image)
}

/// As [`report`], for any network.
///
/// # Errors
/// As [`report`].
pub fn report_on_graph(
    plan: &PrunePlan,
    graph: &Graph,
    weights: &Weights,
    image: Size,
) -> Result<PruneReport, PruneError> {
    let coupling = Coupling::from_graph(graph);
    let kept = plan.kept_channels(&coupling)?;
    let (pruned, _) = apply_to_graph(plan, graph, weights)?;
    let macs_before = graph.node_macs(image)?;
    let macs_after = pruned.node_macs(image)?;
    let mut layers = Vec::new();
    for (id, node) in graph.iter().filter(|(_, n)| matches!(n.op(), Op::Conv2d { .. })) {
        layers.push(LayerReport {
            conv: node.name().to_owned(),
            original: node.channels(),
            kept: kept[id.index()].len(),
            macs_before: macs_before[id.index()],
            macs_after: macs_after[id.index()],
            gamma: batch_norm_behind(graph, id).map(|bn| gamma_range(graph, weights, bn)).transpose()?,
        });
    }
    let is_kept = |set: &crate::ChannelSet| {
        set.members.first().is_none_or(|m| kept[m.node.index()].binary_search(&m.channel).is_ok())
    };
    Ok(PruneReport {
        layers,
        sets: coupling.sets().len(),
        prunable_sets: coupling.prunable().count(),
        removed_sets: coupling.sets().iter().filter(|s| !is_kept(s)).count(),
        before: graph.cost(image)?,
        after: pruned.cost(image)?,
        largest_removed_beta: largest_removed_beta(graph, weights, &kept)?,
        selection: None,
        compensation: None,
        reconstruction: None,
        trials: Vec::new(),
    })
}

/// The first batch norm that reads a layer.
fn batch_norm_behind(graph: &Graph, conv: NodeId) -> Option<NodeId> {
    let reads = |n: &bonsai_graph::Node| matches!(n.op(), Op::BatchNorm { .. }) && n.inputs().contains(&conv);
    graph.iter().find(|(_, n)| reads(n)).map(|(id, _)| id)
}

fn gamma_range(graph: &Graph, weights: &Weights, batch_norm: NodeId) -> Result<GammaRange, PruneError> {
    let specs = graph.node_params(batch_norm);
    let mut range = GammaRange { min: f32::INFINITY, mean: 0.0, max: 0.0 };
    for spec in specs.iter().filter(|s| s.role == ParamRole::BnGamma) {
        let gammas = checked(weights, spec)?.data();
        for gamma in gammas.iter().map(|g| g.abs()) {
            range.min = range.min.min(gamma);
            range.max = range.max.max(gamma);
            range.mean += gamma / gammas.len() as f32;
        }
    }
    Ok(range)
}

fn largest_removed_beta(
    graph: &Graph,
    weights: &Weights,
    kept: &[Vec<usize>],
) -> Result<Option<f32>, PruneError> {
    let mut largest: Option<f32> = None;
    for spec in graph.params().iter().filter(|s| s.role == ParamRole::BnBeta) {
        let betas = checked(weights, spec)?.data();
        let keep = &kept[spec.node.index()];
        for (_, beta) in betas.iter().enumerate().filter(|(c, _)| keep.binary_search(c).is_err()) {
            largest = Some(largest.unwrap_or(0.0).max(beta.abs()));
        }
    }
    Ok(largest)
}
