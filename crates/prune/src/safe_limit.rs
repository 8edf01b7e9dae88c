//! How much can go before the first layer would lose everything.

use serde::{Deserialize, Serialize};

use crate::{ChannelScores, Coupling};

/// The largest ratio of a threshold over the whole network at which no layer is emptied.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SafeLimit {
    /// Share of the channel sets that may be pruned.
    pub ratio: f64,
    /// The layer that would be emptied next.
    pub layer: String,
}

/// The limit; `None` for a network without a set that may be pruned.
///
/// Beyond it guards decide what a layer keeps, and no longer the scores of the whole network: "highest threshold" of the
/// pruning scripts, which print it and go on.
pub fn safe_limit(coupling: &Coupling, scores: &ChannelScores) -> Option<SafeLimit> {
    let score = |set: usize| scores.get(set).unwrap_or(f64::INFINITY);
    let best = |group: &Vec<usize>| group.iter().map(|s| score(*s)).fold(f64::NEG_INFINITY, f64::max);
    let bound = coupling.groups().iter().min_by(|a, b| best(a).total_cmp(&best(b)))?;
    let limit = best(bound);
    let (mut below, mut all) = (0usize, 0usize);
    for set in coupling.groups().iter().flatten() {
        all += 1;
        below += usize::from(score(*set) < limit);
    }
    Some(SafeLimit { ratio: below as f64 / all as f64, layer: coupling.group_name(bound).to_owned() })
}
