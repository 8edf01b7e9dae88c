//! The three steps in one call: score, select for a ratio or a target, apply.

use bonsai_checkpoint::Checkpoint;

use crate::score::GradientSource;
use crate::{
    Choice, Coupling, Preset, PruneError, PrunePlan, PrunePolicy, PruneReport, Reached, ScoreConfig, Target,
    apply, choose, compensate, planned_cost, reach, report, safe_limit, score_with_gradients,
    select_and_clamp,
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
    /// Time of one image on a network, in any unit, for a target of latency.
    pub latency: Option<&'a mut LatencySource<'a>>,
}

/// What measures a network.
pub type LatencySource<'a> =
    dyn FnMut(&Checkpoint) -> Result<f64, Box<dyn std::error::Error + Send + Sync>> + 'a;

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
/// As [`score_with_gradients`], [`choose`], [`reach`], [`apply`] and [`compensate`];
/// [`PruneError::NoGradients`] and [`PruneError::NoLatency`] where a service is missing.
pub fn prune(
    model: &Checkpoint,
    config: &PruneConfig,
    services: PruneServices<'_>,
) -> Result<Pruned, PruneError> {
    let PruneServices { gradients, latency } = services;
    let (h, w) = config.image;
    let coupling = Coupling::of(model.model.graph());
    let scores = match gradients {
        Some(gradients) => score_with_gradients(&coupling, &model.weights, &config.score, gradients)?,
        None => crate::score(&coupling, &model.weights, &config.score)?,
    };
    let mut plan_at = |policy: &PrunePolicy| choose(&coupling, &model.weights, &scores, policy);
    let Reached { plan, prune_ratio, .. } = match config.policy.target {
        None => {
            let (plan, prune_ratio) = (plan_at(&config.policy)?, config.policy.prune_ratio);
            Reached { plan, prune_ratio, share: f64::NAN }
        }
        Some(target @ (Target::Params(_) | Target::Macs(_))) => {
            let before = model.model.graph().cost(h, w)?;
            let mut left = |plan: &PrunePlan| -> Result<f64, PruneError> {
                let after = planned_cost(&coupling, plan, h, w)?;
                let (after, before) = match target {
                    Target::Macs(_) => (after.macs, before.macs),
                    Target::Params(_) | Target::Latency(_) => (after.params, before.params),
                };
                Ok(after as f64 / before as f64)
            };
            reach(target, &config.policy, &mut plan_at, &mut left)?
        }
        Some(target @ Target::Latency(_)) => {
            let measure = latency.ok_or(PruneError::NoLatency)?;
            let mut left = |plan: &PrunePlan| -> Result<f64, PruneError> {
                // In turns, so that what else the machine does falls on both alike.
                let before = measure(model).map_err(PruneError::Measurement)?;
                let after = measure(&apply(plan, model)?).map_err(PruneError::Measurement)?;
                Ok(after / before)
            };
            reach(target, &config.policy, &mut plan_at, &mut left)?
        }
    };
    let mut checkpoint = apply(&plan, model)?;
    let compensation =
        if config.compensate { Some(compensate(&plan, model, &mut checkpoint)?) } else { None };
    let clamped = match config.policy.preset {
        Preset::Group => {
            let policy = PrunePolicy { prune_ratio, ..config.policy.clone() };
            select_and_clamp(&coupling, &scores, &policy)?.1
        }
        Preset::Slim | Preset::Seed => Vec::new(),
    };
    let safe_limit = safe_limit(&coupling, &scores);
    let choice = Some(Choice { prune_ratio, safe_limit, clamped, compensation });
    let report = PruneReport { choice, ..report(&plan, model, h, w)? };
    Ok(Pruned { checkpoint, plan, report })
}
