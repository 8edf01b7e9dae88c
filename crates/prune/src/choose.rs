//! Choosing by preset, to a ratio or to a target.

use bonsai_checkpoint::Weights;
use serde::{Deserialize, Serialize};

use crate::apply::pruned_graph;
use crate::original::OriginalRanking;
use crate::ranking::{Choice, Ranking};
use crate::select::GroupRanking;
use crate::slim::SlimRanking;
use crate::target::{Effort, Reached, search};
use crate::{
    BoxError, ChannelScores, ClampedLayer, Coupling, Preset, PruneError, PrunePlan, PrunePolicy, SafeLimit,
    Target, TargetReached,
};

/// Measures a plan's latency in milliseconds.
pub type MeasureLatency<'a> = dyn FnMut(&PrunePlan) -> Result<f64, BoxError> + 'a;

/// Measurements that a latency target may take; each applies a plan and runs the network.
const LATENCY_PROBES: usize = 7;
/// How far under a latency limit is close enough to stop measuring, as a share of it.
const LATENCY_CLOSE: f64 = 0.02;

/// What a choice is made from.
#[derive(Debug, Clone, Copy)]
pub struct Candidates<'a> {
    /// The channels of the network.
    pub coupling: &'a Coupling,
    /// Their importance, for [`Preset::Group`].
    pub scores: &'a ChannelScores,
    /// The network's weights, of which the other presets read the batch-norm scales.
    pub weights: &'a Weights,
}

/// A plan and how it came about.
#[derive(Debug, Clone, PartialEq)]
pub struct Selection {
    /// What to keep.
    pub plan: PrunePlan,
    /// For the report.
    pub summary: SelectionSummary,
}

/// How a plan came about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SelectionSummary {
    /// How channels were chosen.
    pub preset: Preset,
    /// The ratio at which they were, asked for or found.
    pub prune_ratio: f64,
    /// The target, if there was one.
    pub target: Option<TargetReached>,
    /// Up to which ratio no guard against emptying is needed; `None` if nothing can be pruned.
    pub safe_limit: Option<SafeLimit>,
    /// Groups that lose less than the ratio asks, in the network's order.
    pub clamped: Vec<ClampedLayer>,
}

/// Chooses the channels to keep, as the policy says, for images of `h` x `w` pixels.
///
/// With a target for parameters or MACs, the smallest ratio is looked for at which the pruned network costs
/// no more; rounding and floors make steps of several ratios, and the least removal on the step that reaches
/// the target is taken. A probe needs the graph only, so this takes milliseconds.
/// ([`Preset::Original`] may keep more at a higher ratio; there the first of 64 ratios that reaches it is refined.)
///
/// # Errors
/// As [`select`](crate::select()), and [`PruneError::UnreachableTarget`], [`PruneError::PresetLayer`];
/// [`PruneError::Policy`] for a target that must be measured, [`PruneError::Graph`] if the image does not
/// fit the network.
pub fn choose(
    candidates: &Candidates<'_>,
    policy: &PrunePolicy,
    (h, w): (usize, usize),
) -> Result<Selection, PruneError> {
    choose_with(candidates, policy, (h, w), None)
}

/// As [`choose`], also to a latency.
///
/// `measure` gets plans for the network and answers in milliseconds. It is asked at most 8 times: for the
/// original (if the target is a share), for the smallest network that the guards allow, and for ratios
/// between, until one lies at most 2 % under the limit. So the result is never slower than the limit as
/// measured, and the ratio is found to within 1/64 of its range.
///
/// # Errors
/// As [`choose`]; [`PruneError::Service`] if a measurement fails.
pub fn choose_measured(
    candidates: &Candidates<'_>,
    policy: &PrunePolicy,
    (h, w): (usize, usize),
    measure: &mut MeasureLatency<'_>,
) -> Result<Selection, PruneError> {
    choose_with(candidates, policy, (h, w), Some(measure))
}

fn choose_with(
    candidates: &Candidates<'_>,
    policy: &PrunePolicy,
    image: (usize, usize),
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

/// The choice at the policy's ratio.
///
/// # Errors
/// [`PruneError::EmptyingRatio`] if it would empty a group and guards may not prevent it.
pub(crate) fn at_ratio(ranking: &dyn Ranking, policy: &PrunePolicy) -> Result<Choice, PruneError> {
    let choice = ranking.at(policy.prune_ratio);
    match choice.emptied().filter(|_| !policy.clamp) {
        Some(emptied) => Err(PruneError::EmptyingRatio {
            layer: emptied.conv.clone(),
            channels: emptied.channels,
            ratio: policy.prune_ratio,
            safe: ranking.safe_limit().map_or(0.0, |limit| limit.ratio),
        }),
        None => Ok(choice),
    }
}

/// The ratios that a target may use: without clamping, those that empty no group.
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
    target: Target,
    (h, w): (usize, usize),
) -> Result<Reached, PruneError> {
    let graph = coupling.graph();
    let before = graph.cost(h, w)?;
    let share = |choice: &Choice| {
        let after = pruned_graph(graph, &coupling.kept_channels(&choice.removed))?.cost(h, w)?;
        match target {
            Target::Params(_) => Ok(after.params as f64 / before.params as f64),
            Target::Macs(_) => Ok(after.macs as f64 / before.macs as f64),
            Target::Latency(_) | Target::LatencyMs(_) => Err(PruneError::Policy {
                field: "target",
                got: format!("{target:?}"),
                expected: "params or macs where nothing can be measured: use `choose_measured`",
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
    target: Target,
    measure: &mut MeasureLatency<'_>,
) -> Result<Reached, PruneError> {
    let mut measured = |plan: &PrunePlan| {
        let failed = |source| PruneError::Service { task: "measuring the latency".to_owned(), source };
        let ms = measure(plan).map_err(failed)?;
        if ms.is_finite() && ms > 0.0 {
            return Ok(ms);
        }
        Err(failed(format!("it gave {ms} ms, which is no duration").into()))
    };
    let unit = match target {
        Target::Latency(_) => measured(&PrunePlan::identity(coupling.graph()))?,
        Target::LatencyMs(_) | Target::Params(_) | Target::Macs(_) => 1.0,
    };
    let cost = |choice: &Choice| Ok(measured(&PrunePlan::from_removed(coupling, &choice.removed)?)? / unit);
    let effort = Effort { probes: LATENCY_PROBES, scanned: 4, close: LATENCY_CLOSE };
    search(ranking, &usable_ratios(ranking, policy), (target, policy), effort, cost)
}
