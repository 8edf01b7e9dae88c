//! [`prune`]: scores channels, selects them for a ratio or a target, and applies the plan, in one call.

use bonsai_checkpoint::Checkpoint;

use crate::{
    BoxError, Candidates, Coupling, GradientSource, Per, PruneError, PrunePlan, PrunePolicy, PruneReport,
    ScoreConfig, Selection, Target, apply, apply_compensated, choose, choose_measured, report, score,
    score_with_gradients,
};

/// The configuration of [`prune`].
#[derive(Debug, Clone, PartialEq)]
pub struct PruneConfig {
    /// How sets are scored.
    pub score: ScoreConfig,
    /// Which sets are removed.
    pub policy: PrunePolicy,
    /// Whether to fold the constant output of removed channels into their readers.
    pub compensate: bool,
    /// Height and width of the images for which MACs are counted, in pixels.
    pub image: (usize, usize),
}

/// Closures that some configurations need.
#[derive(Default)]
pub struct PruneServices<'a> {
    /// Gradients of a loss, for [`Importance::Taylor`](crate::Importance::Taylor).
    pub gradients: Option<&'a mut GradientSource<'a>>,
    /// Latency of a network, for a latency target.
    pub latency: Option<&'a mut LatencySource<'a>>,
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
/// As [`score_with_gradients`], [`choose_measured`], [`apply_compensated`]; [`PruneError::NoGradients`] and
/// [`PruneError::NoLatency`] if a closure is missing.
pub fn prune(
    model: &Checkpoint,
    config: &PruneConfig,
    services: PruneServices<'_>,
) -> Result<Pruned, PruneError> {
    let PruneServices { gradients, latency } = services;
    let coupling = Coupling::from_graph(model.model.graph());
    let scores = match gradients {
        Some(gradients) => score_with_gradients(&coupling, &model.weights, &config.score, gradients)?,
        None => score(&coupling, &model.weights, &config.score)?,
    };
    let scores = match config.score.per {
        Per::Set => scores,
        Per::Mac => scores.per_mac(&coupling, config.image)?,
    };
    let candidates = Candidates { coupling: &coupling, scores: &scores, weights: &model.weights };
    let measured = config.policy.target.is_some_and(Target::is_measured);
    let Selection { plan, summary } = match latency {
        Some(latency) => {
            let mut measure = |plan: &PrunePlan| latency(&apply(plan, model)?);
            choose_measured(&candidates, &config.policy, config.image, &mut measure)?
        }
        None if measured => return Err(PruneError::NoLatency),
        None => choose(&candidates, &config.policy, config.image)?,
    };
    let (checkpoint, compensation) = if config.compensate {
        let (checkpoint, compensation) = apply_compensated(&plan, model)?;
        (checkpoint, Some(compensation))
    } else {
        (apply(&plan, model)?, None)
    };
    let (h, w) = config.image;
    let report = PruneReport { selection: Some(summary), compensation, ..report(&plan, model, h, w)? };
    Ok(Pruned { checkpoint, plan, report })
}
