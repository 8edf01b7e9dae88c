//! [`select`]: chooses the sets with the lowest scores for removal, within the guards.

use bonsai_graph::Op;

use crate::glob::matches;
use crate::guard::conv_of;
use crate::policy::share_of;
use crate::ranking::{Choice, Ranking, at_ratio};
use crate::{ChannelScores, Coupling, Preset, PruneError, PrunePlan, PrunePolicy, SafeLimit, Scope};

/// Chooses the channels to keep from the scores alone.
///
/// Of the sets that are neither pinned nor protected, the function marks the fraction `prune_ratio` with the
/// lowest scores; the set number breaks ties. Then each group takes back its best sets until it keeps at
/// least `min_channels` and at least one, loses at most `max_ratio_per_layer`, and has a multiple of
/// `round_to`. A layer is therefore never emptied, and the plan may keep more than the ratio asks for, but
/// never less.
///
/// This is [`Preset::Group`] at a ratio; [`choose`](crate::choose()) supports the other presets and targets.
///
/// # Errors
/// [`PruneError::Policy`] if a value is out of range or the policy has another preset or a target,
/// [`PruneError::NothingProtected`] if a pattern matches no layer, [`PruneError::ScoresMismatch`] if the
/// scores belong to another graph, [`PruneError::EmptyingRatio`] if the ratio empties a group and `clamp` is
/// off.
pub fn select(
    coupling: &Coupling,
    scores: &ChannelScores,
    policy: &PrunePolicy,
) -> Result<PrunePlan, PruneError> {
    policy.check()?;
    let refuse = |field, got| Err(PruneError::Policy { field, got, expected: "left out here: use `choose`" });
    if policy.preset != Preset::Group {
        return refuse("preset", policy.preset.to_string());
    }
    if let Some(target) = policy.target {
        return refuse("target", format!("{target:?}"));
    }
    let ranking = GroupRanking::new(coupling, scores, policy)?;
    let choice = at_ratio(&ranking, policy)?;
    PrunePlan::from_removed(coupling, &choice.removed)
}

/// The sets of a network in order of score, for [`Preset::Group`].
pub(crate) struct GroupRanking<'a> {
    coupling: &'a Coupling,
    policy: &'a PrunePolicy,
    /// The groups that are not protected, lowest scores first.
    groups: Vec<Vec<usize>>,
    /// For each set that may be removed, its position in the order of all such sets.
    rank: Vec<usize>,
    /// Number of sets that may be removed.
    candidates: usize,
}

impl<'a> GroupRanking<'a> {
    /// # Errors
    /// [`PruneError::ScoresMismatch`] or [`PruneError::NothingProtected`].
    pub(crate) fn new(
        coupling: &'a Coupling,
        scores: &ChannelScores,
        policy: &'a PrunePolicy,
    ) -> Result<Self, PruneError> {
        if scores.len() != coupling.sets().len() {
            return Err(PruneError::ScoresMismatch { expected: coupling.sets().len(), got: scores.len() });
        }
        let protected = protected_sets(coupling, &policy.protect)?;
        let score = |set: usize| scores.get(set).unwrap_or(f64::INFINITY);
        let lowest_first =
            |sets: &mut Vec<usize>| sets.sort_by(|a, b| score(*a).total_cmp(&score(*b)).then(a.cmp(b)));
        let mut order: Vec<usize> = coupling.prunable().filter(|s| !protected[*s]).collect();
        lowest_first(&mut order);
        let mut rank = vec![0; coupling.sets().len()];
        order.iter().enumerate().for_each(|(place, set)| rank[*set] = place);
        // All sets of a group have channels in the same layers, so a group is protected as a whole or not at
        // all.
        let mut groups: Vec<Vec<usize>> =
            coupling.groups().iter().filter(|g| !g.iter().any(|s| protected[*s])).cloned().collect();
        groups.iter_mut().for_each(lowest_first);
        Ok(Self { coupling, policy, groups, rank, candidates: order.len() })
    }
}

impl Ranking for GroupRanking<'_> {
    fn at(&self, ratio: f64) -> Choice {
        let marked = share_of(ratio, self.candidates);
        let mut choice = Choice::none(self.coupling);
        for group in &self.groups {
            let asked = match self.policy.scope {
                Scope::Global => group.partition_point(|set| self.rank[*set] < marked),
                Scope::PerLayer => share_of(ratio, group.len()),
            };
            choice.take(self.coupling, self.policy, group, asked);
        }
        choice
    }

    fn ratios(&self) -> Vec<f64> {
        let mut sizes = match self.policy.scope {
            Scope::Global => vec![self.candidates],
            Scope::PerLayer => self.groups.iter().map(Vec::len).collect(),
        };
        sizes.sort_unstable();
        sizes.dedup();
        let mut ratios = vec![0.0];
        ratios.extend(sizes.into_iter().flat_map(|n| (1..=n).map(move |k| k as f64 / n as f64)));
        ratios.sort_by(f64::total_cmp);
        ratios.dedup();
        ratios
    }

    fn safe_limit(&self) -> Option<SafeLimit> {
        match self.policy.scope {
            Scope::Global => {
                // The group whose best set has the lowest rank; up to that rank each group keeps one.
                let best = self.groups.iter().filter_map(|g| g.last()).min_by_key(|s| self.rank[**s])?;
                let ratio = self.rank[*best] as f64 / self.candidates as f64;
                Some(SafeLimit { ratio, conv: conv_of(self.coupling, *best) })
            }
            Scope::PerLayer => {
                // Every group is emptied at ratio 1 and none below it.
                let smallest = self.groups.iter().min_by_key(|g| g.len())?;
                let ratio = self.ratios().into_iter().rfind(|ratio| *ratio < 1.0)?;
                Some(SafeLimit { ratio, conv: conv_of(self.coupling, *smallest.first()?) })
            }
        }
    }
}

/// One flag per set: whether it contains a channel of a layer whose name matches a pattern.
pub(crate) fn protected_sets(coupling: &Coupling, patterns: &[String]) -> Result<Vec<bool>, PruneError> {
    let graph = coupling.graph();
    let mut protected = vec![false; coupling.sets().len()];
    for pattern in patterns {
        let mut found = false;
        for (id, node) in graph.iter() {
            // Only layers that create channels: `model.11`, a concat, must not protect the layers it reads.
            let makes_channels = matches!(node.op(), Op::Conv2d { .. } | Op::BatchNorm { .. });
            if makes_channels && matches(pattern, node.name()) {
                found = true;
                for channel in 0..node.channels() {
                    protected[coupling.set_of(crate::Member { node: id, channel })] = true;
                }
            }
        }
        if !found {
            return Err(PruneError::NothingProtected { pattern: pattern.clone() });
        }
    }
    Ok(protected)
}
