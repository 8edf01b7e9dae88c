//! [`Budget`]: the limits that a compressed network must keep, and [`Excess`], by how much one is exceeded.

use std::fmt;

use anyhow::Result;
use bonsai_stages::ensure_usage;
use serde::{Deserialize, Serialize};

use crate::Cost;

/// Fraction by which a network must be below a latency limit before it is trained.
const MARGIN: f64 = 0.03;

/// Limits of a network; `None` sets no limit.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Budget {
    /// Median milliseconds for one image on this machine.
    pub latency_ms: Option<f64>,
    /// Multiply-accumulates as a fraction of those of the given network.
    pub macs: Option<f64>,
    /// Bytes of the engine file.
    pub bytes: Option<u64>,
    /// Loss of mAP50-95 against the given network.
    pub drop: Option<f64>,
}

/// A cost that a budget limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    /// Milliseconds for one image.
    Latency,
    /// Fraction of the multiply-accumulates.
    Macs,
    /// Bytes of the engine file.
    Size,
}

/// A cost of a network beside its limit, which it usually exceeds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Excess {
    /// The cost.
    pub bound: Bound,
    /// Its value.
    pub value: f64,
    /// Its limit.
    pub limit: f64,
}

impl Budget {
    /// Checks the ranges, and that there is a limit at all.
    ///
    /// # Errors
    /// With the limit and its range.
    pub fn check(&self) -> Result<()> {
        let Self { latency_ms, macs, bytes, drop } = *self;
        ensure_usage!(
            self.limits_costs() || drop.is_some(),
            "there is no budget: name a limit of latency, MACs, size or loss of mAP (--max-latency, --max-macs, \
             --max-size, --max-drop)"
        );
        if let Some(ms) = latency_ms {
            ensure_usage!(ms > 0.0 && ms.is_finite(), "--max-latency is {ms} ms; expected a number above 0");
        }
        if let Some(macs) = macs {
            ensure_usage!(
                macs > 0.0 && macs <= 1.0,
                "--max-macs is {macs}; expected a fraction above 0 and at most 1"
            );
        }
        ensure_usage!(bytes != Some(0), "--max-size is 0 bytes; expected a number above 0");
        if let Some(drop) = drop {
            ensure_usage!(
                (0.0..=1.0).contains(&drop),
                "--max-drop is {drop}; expected a fraction from 0 to 1"
            );
        }
        Ok(())
    }

    /// Whether latency, multiply-accumulates or size have a limit.
    pub(crate) const fn limits_costs(&self) -> bool {
        self.latency_ms.is_some() || self.macs.is_some() || self.bytes.is_some()
    }

    /// The budget with a latency limit that is lower by the spread of two measurements: a network that is
    /// trained for hours must keep the limit when it is timed again.
    pub(crate) fn with_margin(&self) -> Self {
        Self { latency_ms: self.latency_ms.map(|ms| ms * (1.0 - MARGIN)), ..*self }
    }

    /// The limits that `cost` exceeds, the worst first.
    pub fn excess(&self, cost: &Cost) -> Vec<Excess> {
        let mut excess = self.beside(cost);
        excess.retain(|excess| excess.value > excess.limit);
        excess.sort_by(|a, b| b.factor().total_cmp(&a.factor()));
        excess
    }

    /// The limit that the costs come closest to or exceed the most.
    pub(crate) fn tightest(&self, costs: &[Cost]) -> Option<Excess> {
        let all = costs.iter().flat_map(|cost| self.beside(cost));
        all.max_by(|a, b| a.factor().total_cmp(&b.factor()))
    }

    /// Each limited cost with its limit.
    fn beside(&self, cost: &Cost) -> Vec<Excess> {
        let limits = [
            (Bound::Latency, cost.latency_ms, self.latency_ms),
            (Bound::Macs, cost.macs, self.macs),
            (Bound::Size, cost.bytes as f64, self.bytes.map(|bytes| bytes as f64)),
        ];
        let limited =
            |(bound, value, limit): (Bound, f64, Option<f64>)| Some(Excess { bound, value, limit: limit? });
        limits.into_iter().filter_map(limited).collect()
    }
}

impl Excess {
    /// The value divided by the limit.
    pub fn factor(&self) -> f64 {
        self.value / self.limit
    }
}

impl fmt::Display for Excess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bound, value, limit } = self;
        match bound {
            Bound::Latency => write!(f, "latency is {value:.2} ms, the limit {limit:.2} ms")?,
            Bound::Macs => write!(f, "MACs are {value:.3} of the original, the limit {limit:.3}")?,
            Bound::Size => write!(f, "size is {:.3} MB, the limit {:.3} MB", value / 1e6, limit / 1e6)?,
        }
        let percent = 100.0 * (self.factor() - 1.0);
        let side = if percent < 0.0 { "below" } else { "above" };
        write!(f, " ({:.0} % {side})", percent.abs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_excess_comes_first() {
        let budget = Budget { latency_ms: Some(2.0), macs: Some(0.5), bytes: Some(1_000_000), drop: None };
        let cost = Cost { latency_ms: 3.0, macs: 0.25, bytes: 3_000_000 };
        let excess = budget.excess(&cost);
        assert_eq!(excess.iter().map(|e| e.bound).collect::<Vec<_>>(), [Bound::Size, Bound::Latency]);
        assert_eq!(excess[0].to_string(), "size is 3.000 MB, the limit 1.000 MB (200 % above)");
        assert_eq!(excess[1].to_string(), "latency is 3.00 ms, the limit 2.00 ms (50 % above)");
        assert!(budget.excess(&Cost { latency_ms: 2.0, macs: 0.5, bytes: 1_000_000 }).is_empty());
    }

    #[test]
    fn limits_out_of_range_are_refused() {
        let check = |budget: Budget| budget.check().map_err(|error| error.to_string());
        assert!(check(Budget::default()).unwrap_err().contains("--max-latency"));
        assert!(check(Budget { macs: Some(1.5), ..Budget::default() }).unwrap_err().contains("1.5"));
        assert!(check(Budget { latency_ms: Some(f64::NAN), ..Budget::default() }).is_err());
        assert!(check(Budget { drop: Some(0.01), ..Budget::default() }).is_ok());
    }
}
