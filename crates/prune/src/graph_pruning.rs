//! [`prune_graph`]: scores channels, selects them for a ratio or a target, and removes them from any network,
//! in one call.

use bonsai_checkpoint::Weights;
use bonsai_graph::{Graph, Size};

use crate::{
    ActivationSource, Candidates, CostTarget, Coupling, GradientSource, MeasureLatency, Per, PruneError,
    PrunePlan, PrunePolicy, PruneReport, ScoreConfig, Selection, apply_compensated_to_graph, apply_to_graph,
    choose, choose_measured, reconstruct, report_on_graph, score, score_with_gradients,
};

/// The configuration of [`prune`](crate::prune()) and [`prune_graph`].
#[derive(Debug, Clone, PartialEq)]
pub struct PruneOptions {
    /// How sets are scored.
    pub score: ScoreConfig,
    /// Which sets are removed.
    pub policy: PrunePolicy,
    /// Whether to fold the constant output of removed channels into their readers.
    pub compensate: bool,
    /// Batches of images on which the kernels that read removed channels are refitted, see
    /// [`reconstruct`](crate::reconstruct()); 0 leaves kernels as they are. Replaces `compensate`.
    pub reconstruct: usize,
    /// Size of the images for which MACs are counted.
    pub image: Size,
}

/// Closures that some configurations need.
#[derive(Default)]
pub struct GraphServices<'a> {
    /// Gradients of a loss, for [`Importance::Taylor`](crate::Importance::Taylor).
    pub gradients: Option<&'a mut GradientSource<'a>>,
    /// Latency of the network after a plan, for a latency target.
    pub latency: Option<&'a mut MeasureLatency<'a>>,
    /// Outputs of layers, for [`PruneOptions::reconstruct`].
    pub activations: Option<&'a mut ActivationSource<'a>>,
}

/// The result of [`prune_graph`].
#[derive(Debug, Clone)]
pub struct PrunedGraph {
    /// The smaller network.
    pub graph: Graph,
    /// Its weights.
    pub weights: Weights,
    /// The channels that were kept.
    pub plan: PrunePlan,
    /// The effect per layer and in total.
    pub report: PruneReport,
}

/// Prunes any network, such as a classifier; it needs no detection head.
///
/// # Errors
/// As [`score_with_gradients`], [`choose_measured`], [`apply_compensated_to_graph`];
/// [`PruneError::NoGradients`], [`PruneError::NoLatency`] and [`PruneError::NoActivations`] if a closure is missing.
pub fn prune_graph(
    graph: &Graph,
    weights: &Weights,
    config: &PruneOptions,
    services: GraphServices<'_>,
) -> Result<PrunedGraph, PruneError> {
    let GraphServices { gradients, latency, activations } = services;
    let coupling = Coupling::from_graph(graph);
    let scores = match gradients {
        Some(gradients) => score_with_gradients(&coupling, weights, &config.score, gradients)?,
        None => score(&coupling, weights, &config.score)?,
    };
    let scores = match config.score.per {
        Per::Set => scores,
        Per::Mac => scores.per_mac(&coupling, config.image)?,
    };
    let candidates = Candidates { coupling: &coupling, scores: &scores, weights };
    let measured = config.policy.target.is_some_and(CostTarget::is_measured);
    let Selection { plan, summary } = match latency {
        Some(latency) => choose_measured(&candidates, &config.policy, config.image, latency)?,
        None if measured => return Err(PruneError::NoLatency),
        None => choose(&candidates, &config.policy, config.image)?,
    };
    let mut report = report_on_graph(&plan, graph, weights, config.image)?;
    report.selection = Some(summary);
    let (pruned, remaining) = if config.reconstruct > 0 {
        let activations = activations.ok_or(PruneError::NoActivations)?;
        let (pruned, mut remaining) = apply_to_graph(&plan, graph, weights)?;
        let fitted = reconstruct(&plan, graph, weights, &mut remaining, config.reconstruct, activations)?;
        report.reconstruction = Some(fitted);
        (pruned, remaining)
    } else if config.compensate {
        let (pruned, remaining, compensation) = apply_compensated_to_graph(&plan, graph, weights)?;
        report.compensation = Some(compensation);
        (pruned, remaining)
    } else {
        apply_to_graph(&plan, graph, weights)?
    };
    Ok(PrunedGraph { graph: pruned, weights: remaining, plan, report })
}
