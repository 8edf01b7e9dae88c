//! How much to remove so that a cost falls below a limit: bisection over the ratio.

use bonsai_graph::Cost;
use serde::{Deserialize, Serialize};

use crate::{Coupling, PruneError, PrunePlan, PrunePolicy};

/// What is to be left of a cost, as a share of the original network's.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// Learned scalars.
    Params(f64),
    /// Multiply-accumulates.
    Macs(f64),
    /// Measured time of one image.
    Latency(f64),
}

impl Target {
    /// The share that is asked for.
    pub const fn share(self) -> f64 {
        match self {
            Self::Params(share) | Self::Macs(share) | Self::Latency(share) => share,
        }
    }

    /// The name of the cost.
    pub const fn cost(self) -> &'static str {
        match self {
            Self::Params(_) => "params",
            Self::Macs(_) => "MACs",
            Self::Latency(_) => "latency",
        }
    }

    /// Probes before the search ends: a measurement is dear and noisy, counting is neither.
    const fn probes(self) -> usize {
        match self {
            Self::Params(_) | Self::Macs(_) => 24,
            Self::Latency(_) => 7,
        }
    }

    /// Checks the share.
    pub(crate) fn check(self) -> Result<(), PruneError> {
        let share = self.share();
        if share > 0.0 && share <= 1.0 {
            return Ok(());
        }
        let (field, got) = ("target", format!("{share} of the {}", self.cost()));
        Err(PruneError::Policy { field, got, expected: "above 0 and at most 1" })
    }
}

/// A plan that reaches a target.
#[derive(Debug, Clone, PartialEq)]
pub struct Reached {
    /// The plan.
    pub plan: PrunePlan,
    /// The ratio that gave it.
    pub prune_ratio: f64,
    /// What is left of the cost.
    pub share: f64,
}

/// The smallest ratio whose plan leaves at most the target's share.
///
/// `plan_at` makes a plan from the policy with another ratio; `share_left` says what a plan leaves of the cost: from
/// [`planned_cost`], or from measuring the pruned network. Guards and rounding make steps, so less may be left than was
/// asked for, never more. Latency is probed 7 times, to within 1/128 of the ratio.
///
/// # Errors
/// [`PruneError::Unreachable`] if not even the ratio 1 gets there; what the closures report.
pub fn reach(
    target: Target,
    policy: &PrunePolicy,
    plan_at: &mut dyn FnMut(&PrunePolicy) -> Result<PrunePlan, PruneError>,
    share_left: &mut dyn FnMut(&PrunePlan) -> Result<f64, PruneError>,
) -> Result<Reached, PruneError> {
    target.check()?;
    let mut probe = |prune_ratio: f64| -> Result<Reached, PruneError> {
        let plan = plan_at(&PrunePolicy { prune_ratio, ..policy.clone() })?;
        let share = share_left(&plan)?;
        Ok(Reached { plan, prune_ratio, share })
    };
    let none = probe(0.0)?;
    if none.share <= target.share() {
        return Ok(none);
    }
    let mut best = probe(1.0)?;
    if best.share > target.share() {
        return Err(PruneError::Unreachable {
            cost: target.cost(),
            asked: target.share(),
            least: best.share,
            guards: policy.describe_guards(),
        });
    }
    let mut too_little = 0.0;
    for _ in 0..target.probes() {
        let tried = probe(f64::midpoint(too_little, best.prune_ratio))?;
        if tried.share <= target.share() {
            best = tried;
        } else {
            too_little = tried.prune_ratio;
        }
    }
    Ok(best)
}

/// The cost of the network that a plan leaves, for images of `h` x `w` pixels; no weights are touched.
///
/// # Errors
/// As [`apply`](crate::apply()), but for the weights; [`PruneError::Graph`] if the image does not fit.
pub fn planned_cost(coupling: &Coupling, plan: &PrunePlan, h: usize, w: usize) -> Result<Cost, PruneError> {
    let kept = plan.kept_channels(coupling)?;
    let graph = coupling.graph().map_ops(|id, node| crate::apply::pruned_op(id, node, &kept))?;
    Ok(graph.cost(h, w)?)
}
