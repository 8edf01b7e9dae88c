//! [`Ranking`]: the sets that a preset removes at a given ratio.

use crate::guard::conv_of;
use crate::{ClampedLayer, Coupling, Guard, PruneError, PrunePolicy, SafeLimit};

/// A preset that is prepared for one network, so that a search can try many ratios.
pub(crate) trait Ranking {
    /// The choice at a ratio in `0..=1`.
    fn at(&self, ratio: f64) -> Choice;

    /// The ratios at which the choice changes, ascending from 0.
    fn ratios(&self) -> Vec<f64>;

    /// See [`SafeLimit`]; `None` if nothing can be pruned.
    fn safe_limit(&self) -> Option<SafeLimit>;

    /// Whether a higher ratio never keeps a channel that a lower one removes.
    fn is_monotone(&self) -> bool {
        true
    }
}

/// The choice at the policy's ratio.
///
/// # Errors
/// [`PruneError::EmptyingRatio`] if the ratio would empty a group and `clamp` is off.
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

/// The sets to remove, and the groups where guards kept more.
#[derive(Debug, Clone)]
pub(crate) struct Choice {
    /// One flag per set.
    pub(crate) removed: Vec<bool>,
    /// Groups that lose fewer sets than asked, in the order of groups.
    pub(crate) clamped: Vec<ClampedLayer>,
}

impl Choice {
    /// Nothing removed.
    pub(crate) fn none(coupling: &Coupling) -> Self {
        Self { removed: vec![false; coupling.sets().len()], clamped: Vec::new() }
    }

    /// Removes the first `asked` sets of a group (lowest scores first), except those that the guards keep.
    pub(crate) fn take(&mut self, coupling: &Coupling, policy: &PrunePolicy, group: &[usize], asked: usize) {
        let (kept, guard) = policy.kept_count(group.len(), asked);
        let lost = group.len() - kept;
        group[..lost].iter().for_each(|set| self.removed[*set] = true);
        if let Some(guard) = guard {
            self.note(coupling, group, asked, lost, guard);
        }
    }

    /// Records that a group loses fewer sets than asked.
    pub(crate) fn note(
        &mut self,
        coupling: &Coupling,
        group: &[usize],
        asked: usize,
        lost: usize,
        guard: Guard,
    ) {
        let conv = group.first().map_or_else(String::new, |set| conv_of(coupling, *set));
        self.clamped.push(ClampedLayer { conv, channels: group.len(), asked, lost, guard });
    }

    /// The first group of which the ratio asked for all channels.
    pub(crate) fn emptied(&self) -> Option<&ClampedLayer> {
        self.clamped.iter().find(|c| c.asked == c.channels)
    }
}
