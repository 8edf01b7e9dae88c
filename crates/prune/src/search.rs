//! [`search()`]: the smallest ratio of a ranking that reaches a [`CostTarget`].

use crate::ranking::{Choice, Ranking};
use crate::{CostTarget, PruneError, PrunePolicy};

/// A ratio, the sets removed at it, and the remaining cost in the target's unit.
#[derive(Debug, Clone)]
pub(crate) struct Reached {
    pub(crate) ratio: f64,
    pub(crate) choice: Choice,
    pub(crate) cost: f64,
}

/// Precision and number of probes of the search for a target.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Effort {
    /// Maximum number of probes.
    pub(crate) probes: usize,
    /// Number of evenly spaced ratios to scan first, if a higher ratio may keep more than a lower one.
    pub(crate) scanned: usize,
    /// A cost at most this fraction below the limit ends the search; 0 to find the smallest ratio.
    pub(crate) close: f64,
}

/// Finds the smallest of `ratios` at which the cost is within the target.
///
/// Several ratios may have the same cost because of rounding; the search returns the smallest, if it has
/// enough probes.
///
/// # Errors
/// [`PruneError::UnreachableTarget`], and the errors of `cost`.
pub(crate) fn search(
    ranking: &dyn Ranking,
    ratios: &[f64],
    (target, policy): (CostTarget, &PrunePolicy),
    effort: Effort,
    mut cost: impl FnMut(&Choice) -> Result<f64, PruneError>,
) -> Result<Reached, PruneError> {
    let mut probe = |index: usize| -> Result<Reached, PruneError> {
        let ratio = ratios[index];
        let choice = ranking.at(ratio);
        let cost = cost(&choice)?;
        Ok(Reached { ratio, choice, cost })
    };
    let limit = target.limit();
    let last = ratios.len() - 1;
    let steps = if ranking.is_monotone() { 0 } else { effort.scanned };
    let mut low = 0;
    let mut found = None;
    let mut least = f64::INFINITY;
    for step in 0..=steps {
        let index = (last * step).checked_div(steps).unwrap_or(last);
        let reached = probe(index)?;
        least = least.min(reached.cost);
        if reached.cost <= limit {
            found = Some((index, reached));
            break;
        }
        low = index + 1;
    }
    let (mut high, mut best) = found.ok_or_else(|| unreachable(target, least, policy))?;
    for _ in steps.min(effort.probes) + 1..effort.probes {
        if low >= high || (effort.close > 0.0 && best.cost >= limit * (1.0 - effort.close)) {
            break;
        }
        let middle = low.midpoint(high);
        let reached = probe(middle)?;
        if reached.cost <= limit {
            (high, best) = (middle, reached);
        } else {
            low = middle + 1;
        }
    }
    Ok(best)
}

/// The error for a target that no ratio reaches; `left` is the lowest cost.
fn unreachable(target: CostTarget, left: f64, policy: &PrunePolicy) -> PruneError {
    PruneError::UnreachableTarget {
        target: target.words(target.limit()),
        left: target.words(left),
        guards: policy.describe_guards(),
    }
}
