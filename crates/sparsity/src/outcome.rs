//! [`L1Outcome`]: the forecast of an L1 training and its measured effect.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{GammaSummary, Travel};

/// The forecast of a sparsity training, with its gammas before and after.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct L1Outcome {
    /// How far L1 alone could move a gamma; `None` if there was no forecast.
    pub predicted: Option<Travel>,
    /// Summary of all gammas before training; `None` if unknown.
    pub before: Option<GammaSummary>,
    /// Summary of all gammas after training.
    pub after: GammaSummary,
}

/// `L1 alone could move a gamma by 1.75 in 650 updates: the median of |gamma| went from 1.020 to 0.310, its 5th percentile from 0.610 to 0.002, and the fraction below 0.01 from 0.0 % to 12.1 %`.
impl fmt::Display for L1Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.predicted {
            Some(Travel { distance, updates }) => {
                write!(f, "L1 alone could move a gamma by {distance:.2} in {updates} updates: ")?;
            }
            None => write!(f, "after L1, ")?,
        }
        let numbers = |g: &GammaSummary| (g.median(), g.percentiles[0], 100.0 * g.below_1e2);
        let (median, fifth, small) = numbers(&self.after);
        let Some((old_median, old_fifth, old_small)) = self.before.as_ref().map(numbers) else {
            return write!(
                f,
                "the median of |gamma| is {median:.3}, its 5th percentile {fifth:.3}, and the fraction below 0.01 {small:.1} %"
            );
        };
        write!(
            f,
            "the median of |gamma| went from {old_median:.3} to {median:.3}, its 5th percentile from {old_fifth:.3} to \
             {fifth:.3}, and the fraction below 0.01 from {old_small:.1} % to {small:.1} %"
        )
    }
}
