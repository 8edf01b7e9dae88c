//! [`choose`] and [`choose_measured`]: a plan by any preset, for a pruning ratio or a cost target.

use bonsai_graph::Size;
use serde::{Deserialize, Serialize};

use crate::apply::pruned_graph;
use crate::original::OriginalRanking;
use crate::ranking::{Choice, Ranking, at_ratio};
use crate::search::{Effort, Reached, search};
use crate::select::GroupRanking;
use crate::slim::SlimRanking;
use crate::{
    BoxError, Candidates, ClampedLayer, CostTarget, Coupling, Preset, PruneError, PrunePlan, PrunePolicy,
    SafeLimit, TargetReached,
};

/// Measures a plan's latency in milliseconds.
pub type MeasureLatency<'a> = dyn FnMut(&PrunePlan) -> Result<f64, BoxError> + 'a;

/// Maximum number of measurements for a latency target; each applies a plan and runs the network.
const LATENCY_PROBES: usize = 7;
/// Stop measuring when the latency is within this fraction below the limit.
const LATENCY_CLOSE: f64 = 0.02;

/// A plan and the record of how it was chosen.
#[derive(Debug, Clone, PartialEq)]
pub struct Selection {
    /// Channels to keep.
    pub plan: PrunePlan,
    /// How the plan was chosen, for the report.
    pub summary: SelectionSummary,
}

/// How a plan was chosen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SelectionSummary {
    /// The preset that chose the channels.
    pub preset: Preset,
    /// The pruning ratio: the configured one, or the one found for the target.
    pub prune_ratio: f64,
    /// The target and the cost reached, if the policy has a target.
    pub target: Option<TargetReached>,
    /// Largest ratio that empties no group without guards; `None` if nothing can be pruned.
    pub safe_limit: Option<SafeLimit>,
    /// Groups that lose fewer channels than the ratio asks for, in the network's order.
    pub clamped: Vec<ClampedLayer>,
}

/// Chooses the channels to keep according to `policy`, for images of this size.
///
/// With a target for parameters or MACs, the function searches for the smallest ratio at which the pruned
/// network costs no more than the target. Because of rounding and minimum widths, several ratios give the
/// same plan; the search returns the smallest of them. It needs only the graph, so it takes milliseconds.
/// ([`Preset::Original`] may keep more channels at a higher ratio, so there the search tests 64 ratios in
/// ascending order and refines the first that reaches the target.)
///
/// # Errors
/// As [`select`](crate::select()), and [`PruneError::UnreachableTarget`], [`PruneError::PresetLayer`];
/// [`PruneError::Policy`] for a latency target, which needs [`choose_measured`]; [`PruneError::Graph`] if the
/// image does not fit the network.
pub fn choose(
    candidates: &Candidates<'_>,
    policy: &PrunePolicy,
    image: Size,
) -> Result<Selection, PruneError> {
    choose_with(candidates, policy, image, None)
}

/// As [`choose`], and also supports latency targets.
///
/// `measure` receives a plan for the network and returns milliseconds. It is called at most 8 times: for the
/// original network (if the target is a fraction), for the smallest network that the guards allow, and for
/// ratios between them until one is at most 2 % below the limit. The latency of the result, as measured by the caller, never
/// exceeds the limit, and the ratio is found to within 1/64 of its range.
///
/// # Errors
/// As [`choose`]; [`PruneError::Service`] if a measurement fails.
pub fn choose_measured(
    candidates: &Candidates<'_>,
    policy: &PrunePolicy,
    image: Size,
    measure: &mut MeasureLatency<'_>,
) -> Result<Selection, PruneError> {
    choose_with(candidates, policy, image, Some(measure))
}

fn choose_with(
    candidates: &Candidates<'_>,
    policy: &PrunePolicy,
    image: Size,
    measure: Option<&mut MeasureLatency<'_>>,
) -> Result<Selection, PruneError> {
    policy.check()?;
    let coupling = candidates.coupling;
    let ranking: Box<dyn Ranking + '_> = match policy.preset {
        Preset::Group => Box::new(GroupRanking::new(coupling, candidates.scores, policy)?),
        Preset::Slim => Box::new(SlimRanking::new(candidates, policy)?),
        Preset::Original => Box::new(OriginalRanking::new(candidates, policy)?),
    };
    let (prune_ratio, choice, target) = match policy.target {
        None => (policy.prune_ratio, at_ratio(&*ranking, policy)?, None),
        Some(target) => {
            let reached = match measure {
                Some(measure) if target.is_measured() => {
                    to_latency(&*ranking, coupling, policy, target, measure)?
                }
                _ => to_cost(&*ranking, coupling, policy, target, image)?,
            };
            (reached.ratio, reached.choice, Some(TargetReached { target, reached: reached.cost }))
        }
    };
    let plan = PrunePlan::from_removed(coupling, &choice.removed)?;
    let preset = policy.preset;
    let safe_limit = ranking.safe_limit();
    let summary = SelectionSummary { preset, prune_ratio, target, safe_limit, clamped: choice.clamped };
    Ok(Selection { plan, summary })
}

/// The ratios that the search may use; with `clamp` off, only those that empty no group.
fn usable_ratios(ranking: &dyn Ranking, policy: &PrunePolicy) -> Vec<f64> {
    let mut ratios = ranking.ratios();
    if !policy.clamp {
        let safe = ratios.partition_point(|ratio| ranking.at(*ratio).emptied().is_none());
        ratios.truncate(safe.max(1));
    }
    ratios
}

fn to_cost(
    ranking: &dyn Ranking,
    coupling: &Coupling,
    policy: &PrunePolicy,
    target: CostTarget,
    image: Size,
) -> Result<Reached, PruneError> {
    let graph = coupling.graph();
    let before = graph.cost(image)?;
    let share = |choice: &Choice| {
        let after = pruned_graph(graph, &coupling.kept_channels(&choice.removed))?.cost(image)?;
        match target {
            CostTarget::Params(_) => Ok(after.params as f64 / before.params as f64),
            CostTarget::Macs(_) => Ok(after.macs as f64 / before.macs as f64),
            CostTarget::Latency(_) | CostTarget::LatencyMs(_) => Err(PruneError::Policy {
                field: "target",
                got: format!("{target:?}"),
                expected: "params or macs; for a latency target use `choose_measured`",
            }),
        }
    };
    let effort = Effort { probes: usize::MAX, scanned: 64, close: 0.0 };
    search(ranking, &usable_ratios(ranking, policy), (target, policy), effort, share)
}

fn to_latency(
    ranking: &dyn Ranking,
    coupling: &Coupling,
    policy: &PrunePolicy,
    target: CostTarget,
    measure: &mut MeasureLatency<'_>,
) -> Result<Reached, PruneError> {
    let mut measured = |plan: &PrunePlan| {
        let failed = |source| PruneError::Service { task: "measuring the latency".to_owned(), source };
        let ms = measure(plan).map_err(failed)?;
        if ms.is_finite() && ms > 0.0 {
            return Ok(ms);
        }
        Err(failed(format!("the measurement returned {ms} ms; expected a positive finite number").into()))
    };
    let unit = match target {
        CostTarget::Latency(_) => measured(&PrunePlan::identity(coupling.graph()))?,
        CostTarget::LatencyMs(_) | CostTarget::Params(_) | CostTarget::Macs(_) => 1.0,
    };
    let cost = |choice: &Choice| Ok(measured(&PrunePlan::from_removed(coupling, &choice.removed)?)? / unit);
    let effort = Effort { probes: LATENCY_PROBES, scanned: 4, close: LATENCY_CLOSE };
    search(ranking, &usable_ratios(ranking, policy), (target, policy), effort, cost)
}
