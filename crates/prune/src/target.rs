//! [`CostTarget`]: an upper limit for the pruned network's cost.

use serde::{Deserialize, Serialize};

use crate::PruneError;

/// Upper limit for the cost of the pruned network. In configurations `{ macs = 0.25 }`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CostTarget {
    /// Fraction, `0..=1`, of the original's learned scalars.
    Params(f64),
    /// Fraction, `0..=1`, of the original's multiply-accumulates.
    Macs(f64),
    /// Fraction, `0..=1`, of the original's measured latency.
    Latency(f64),
    /// Measured latency in milliseconds.
    LatencyMs(f64),
}

impl CostTarget {
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
    pub(crate) fn words(self, amount: f64) -> String {
        match self {
            Self::Params(_) => format!("{:.1} % of the parameters", 100.0 * amount),
            Self::Macs(_) => format!("{:.1} % of the MACs", 100.0 * amount),
            Self::Latency(_) => format!("{:.1} % of the latency", 100.0 * amount),
            Self::LatencyMs(_) => format!("{amount:.3} ms"),
        }
    }
}

/// A target and the cost that was reached.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct TargetReached {
    /// The target.
    pub target: CostTarget,
    /// The cost of the chosen network, in the target's unit; never above the target.
    pub reached: f64,
}
