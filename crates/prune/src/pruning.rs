//! The three steps in one call: score, select for a ratio or a target, apply.

use bonsai_checkpoint::Checkpoint;

use crate::{
    BoxError, Candidates, Coupling, GradientSource, Per, PruneError, PrunePlan, PrunePolicy, PruneReport,
    ScoreConfig, Selection, Target, apply, apply_compensated, choose, choose_measured, report, score,
    score_with_gradients,
};

/// How to prune.
#[derive(Debug, Clone, PartialEq)]
pub struct PruneConfig {
    /// How sets are scored.
    pub score: ScoreConfig,
    /// Which go.
    pub policy: PrunePolicy,
    /// Whether the layers behind removed channels take over the constants that these still emitted.
    pub compensate: bool,
    /// Height and width of the images for which work is counted, in pixels.
    pub image: (usize, usize),
}

/// What others must supply for some configurations.
#[derive(Default)]
pub struct PruneServices<'a> {
    /// Gradients of a loss, for importance taylor.
    pub gradients: Option<&'a mut GradientSource<'a>>,
    /// Time of one image on a network, for a target of latency.
    pub latency: Option<&'a mut LatencySource<'a>>,
}

/// What measures a network, in milliseconds.
pub type LatencySource<'a> = dyn FnMut(&Checkpoint) -> Result<f64, BoxError> + 'a;

/// The smaller network and how it came about.
#[derive(Debug, Clone)]
pub struct Pruned {
    /// An ordinary checkpoint.
    pub checkpoint: Checkpoint,
    /// What was kept.
    pub plan: PrunePlan,
    /// Per layer and in all.
    pub report: PruneReport,
}

/// Prunes a network.
///
/// # Errors
/// As [`score_with_gradients`], [`choose_measured`], [`apply_compensated`]; [`PruneError::NoGradients`] and
/// [`PruneError::NoLatency`] where a service is missing.
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
