//! [`prune`]: scores, selects and removes the channels of a checkpoint in one call.

use bonsai_checkpoint::Checkpoint;

use crate::apply::with_network;
use crate::{
    ActivationSource, BoxError, GradientSource, GraphServices, MeasureLatency, PruneError, PruneOptions,
    PrunePlan, PruneReport, PrunedGraph, apply, prune_graph,
};

/// Closures that some configurations need.
#[derive(Default)]
pub struct PruneServices<'a> {
    /// Gradients of a loss, for [`Importance::Taylor`](crate::Importance::Taylor).
    pub gradients: Option<&'a mut GradientSource<'a>>,
    /// Latency of a network, for a latency target.
    pub latency: Option<&'a mut LatencySource<'a>>,
    /// Outputs of layers, for [`PruneOptions::reconstruct`].
    pub activations: Option<&'a mut ActivationSource<'a>>,
}

/// Measures the latency of one image on a network, in milliseconds.
pub type LatencySource<'a> = dyn FnMut(&Checkpoint) -> Result<f64, BoxError> + 'a;

/// The result of [`prune`].
#[derive(Debug, Clone)]
pub struct Pruned {
    /// The smaller network.
    pub checkpoint: Checkpoint,
    /// The channels that were kept.
    pub plan: PrunePlan,
    /// The effect per layer and in total.
    pub report: PruneReport,
}

/// Prunes a network.
///
/// # Errors
/// As [`prune_graph`].
pub fn prune(
    model: &Checkpoint,
    config: &PruneOptions,
    services: PruneServices<'_>,
) -> Result<Pruned, PruneError> {
    let PruneServices { gradients, latency, activations } = services;
    let mut measure = latency
        .map(|latency| move |plan: &PrunePlan| -> Result<f64, BoxError> { latency(&apply(plan, model)?) });
    let services = GraphServices {
        gradients: gradients.map(|gradients| gradients as &mut GradientSource<'_>),
        latency: measure.as_mut().map(|measure| measure as &mut MeasureLatency<'_>),
        activations: activations.map(|activations| activations as &mut ActivationSource<'_>),
    };
    let PrunedGraph { graph, weights, plan, report } =
        prune_graph(model.model.graph(), &model.weights, config, services)?;
    Ok(Pruned { checkpoint: with_network(model, graph, weights)?, plan, report })
}
