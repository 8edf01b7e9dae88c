//! [`Target`]: an upper limit for the pruned network's cost, and the search for the ratio that reaches it.

use serde::{Deserialize, Serialize};

use crate::ranking::{Choice, Ranking};
use crate::{PruneError, PrunePolicy};

/// Upper limit for the cost of the pruned network. In configurations `{ macs = 0.25 }`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// Fraction, `0..=1`, of the original's learned scalars.
    Params(f64),
    /// Fraction, `0..=1`, of the original's multiply-accumulates.
    Macs(f64),
    /// Fraction, `0..=1`, of the original's measured latency.
    Latency(f64),
    /// Measured latency in milliseconds.
    LatencyMs(f64),
}

impl Target {
    /// The limit, in the unit of the variant.
    pub const fn limit(self) -> f64 {
        match self {
            Self::Params(limit) | Self::Macs(limit) | Self::Latency(limit) | Self::LatencyMs(limit) => limit,
        }
    }

    /// Whether the cost must be measured by running the network.
    pub const fn is_measured(self) -> bool {
        matches!(self, Self::Latency(_) | Self::LatencyMs(_))
    }

    /// # Errors
    /// [`PruneError::Policy`] if the number is out of range.
    pub(crate) fn check(self) -> Result<(), PruneError> {
        let (fits, expected) = match self {
            Self::LatencyMs(ms) => {
                (ms > 0.0 && ms <= 1e9, "a positive number of milliseconds, at most 1000000000")
            }
            Self::Params(s) | Self::Macs(s) | Self::Latency(s) => {
                ((0.0..=1.0).contains(&s), "a fraction in 0..=1")
            }
        };
        let got = self.limit().to_string();
        if fits { Ok(()) } else { Err(PruneError::Policy { field: "target", got, expected }) }
    }

    /// A cost in words: `25.0 % of the MACs`.
    fn words(self, amount: f64) -> String {
        match self {
            Self::Params(_) => format!("{:.1} % of the parameters", 100.0 * amount),
            Self::Macs(_) => format!("{:.1} % of the MACs", 100.0 * amount),
            Self::Latency(_) => format!("{:.1} % of the latency", 100.0 * amount),
            Self::LatencyMs(_) => format!("{amount:.3} ms"),
        }
    }

    /// The error for a target that no ratio reaches; `left` is the lowest cost.
    pub(crate) fn unreachable(self, left: f64, policy: &PrunePolicy) -> PruneError {
        PruneError::UnreachableTarget {
            target: self.words(self.limit()),
            left: self.words(left),
            guards: policy.describe_guards(),
        }
    }
}

/// A target and the cost that was reached.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct TargetReached {
    /// The target.
    pub target: Target,
    /// The cost of the chosen network, in the target's unit; never above the target.
    pub reached: f64,
}

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
    (target, policy): (Target, &PrunePolicy),
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
    let (mut high, mut best) = found.ok_or_else(|| target.unreachable(least, policy))?;
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
