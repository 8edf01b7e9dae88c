//! What every preset offers: the sets that go at a given ratio.

use crate::guard::conv_of;
use crate::{ClampedLayer, Coupling, Guard, PrunePolicy, SafeLimit};

/// A preset, prepared for one network, so that a target can try many ratios.
pub(crate) trait Ranking {
    /// The choice at a ratio in `0..=1`.
    fn at(&self, ratio: f64) -> Choice;

    /// All ratios between which the choice does not change, ascending from 0.
    fn ratios(&self) -> Vec<f64>;

    /// See [`SafeLimit`]; `None` where nothing can be pruned.
    fn safe_limit(&self) -> Option<SafeLimit>;

    /// Whether a higher ratio never keeps a channel that a lower one removes.
    fn is_monotone(&self) -> bool {
        true
    }
}

/// Sets to remove, and where guards stood in the way.
#[derive(Debug, Clone)]
pub(crate) struct Choice {
    /// One mark per set.
    pub(crate) removed: Vec<bool>,
    /// Groups that lose less than asked, in the order of groups.
    pub(crate) clamped: Vec<ClampedLayer>,
}

impl Choice {
    /// Nothing removed.
    pub(crate) fn none(coupling: &Coupling) -> Self {
        Self { removed: vec![false; coupling.sets().len()], clamped: Vec::new() }
    }

    /// Removes the first `asked` sets of a group (lowest first), less what the policy's guards keep.
    pub(crate) fn take(&mut self, coupling: &Coupling, policy: &PrunePolicy, group: &[usize], asked: usize) {
        let (kept, guard) = policy.kept_count(group.len(), asked);
        let lost = group.len() - kept;
        group[..lost].iter().for_each(|set| self.removed[*set] = true);
        if let Some(guard) = guard {
            self.note(coupling, group, asked, lost, guard);
        }
    }

    /// Writes down that a group loses less than asked.
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

    /// The first group that was asked for all it has.
    pub(crate) fn emptied(&self) -> Option<&ClampedLayer> {
        self.clamped.iter().find(|c| c.asked == c.channels)
    }
}
