//! Choosing the sets to remove: lowest scores first, within the guards.

use bonsai_graph::Op;

use crate::glob::matches;
use crate::policy::share_of;
use crate::{ChannelScores, Coupling, PruneError, PrunePlan, PrunePolicy, Scope, safe_limit};

/// A group that keeps more than its scores say, because a guard holds it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Clamp {
    /// Its first convolution.
    pub layer: String,
    /// Its channel sets.
    pub sets: usize,
    /// How many were to go.
    pub asked: usize,
    /// How many go.
    pub removed: usize,
}

/// Chooses the channels to keep.
///
/// Of the sets that are neither pinned nor protected, the share `prune_ratio` with the lowest scores is
/// marked, equal scores by their number. Then each group takes back its best ones until it keeps at least
/// `min_channels`, loses at most `max_ratio_per_layer`, is a multiple of `round_to`, and keeps one anyway.
/// So a layer is never emptied, and more may be kept than the ratio says, never less.
///
/// # Errors
/// [`PruneError::Policy`] if a number is out of range, [`PruneError::NothingProtected`] if a pattern matches
/// no layer, [`PruneError::ScoresMismatch`] if the scores are those of another graph, [`PruneError::WouldEmpty`] if
/// `clamp` is off and a layer would lose everything.
pub fn select(
    coupling: &Coupling,
    scores: &ChannelScores,
    policy: &PrunePolicy,
) -> Result<PrunePlan, PruneError> {
    Ok(select_and_clamp(coupling, scores, policy)?.0)
}

/// As [`select`], with the groups that guards held.
///
/// # Errors
/// As [`select`].
pub fn select_and_clamp(
    coupling: &Coupling,
    scores: &ChannelScores,
    policy: &PrunePolicy,
) -> Result<(PrunePlan, Vec<Clamp>), PruneError> {
    policy.check()?;
    if scores.len() != coupling.sets().len() {
        return Err(PruneError::ScoresMismatch { expected: coupling.sets().len(), got: scores.len() });
    }
    let protected = protected_sets(coupling, &policy.protect)?;
    let score = |set: usize| scores.get(set).unwrap_or(f64::INFINITY);
    let lowest_first =
        |sets: &mut Vec<usize>| sets.sort_by(|a, b| score(*a).total_cmp(&score(*b)).then(a.cmp(b)));

    let mut marked = vec![false; coupling.sets().len()];
    if policy.scope == Scope::Global {
        let mut candidates: Vec<usize> = coupling.prunable().filter(|s| !protected[*s]).collect();
        lowest_first(&mut candidates);
        let count = share_of(policy.prune_ratio, candidates.len());
        candidates[..count].iter().for_each(|s| marked[*s] = true);
    }
    let mut removed = vec![false; coupling.sets().len()];
    let mut clamps = Vec::new();
    for group in coupling.groups() {
        let mut candidates: Vec<usize> = group.iter().copied().filter(|s| !protected[*s]).collect();
        lowest_first(&mut candidates);
        let removable = match policy.scope {
            Scope::Global => candidates.iter().filter(|s| marked[**s]).count(),
            Scope::PerLayer => share_of(policy.prune_ratio, candidates.len()),
        };
        if removable == group.len() && !policy.clamp {
            return Err(PruneError::WouldEmpty {
                layer: coupling.group_name(group).to_owned(),
                channels: group.len(),
                ratio: policy.prune_ratio,
                safe: safe_limit(coupling, scores).map_or(0.0, |limit| limit.ratio),
            });
        }
        let count = group.len() - policy.kept_count(group.len(), removable);
        if count < removable {
            let (layer, sets) = (coupling.group_name(group).to_owned(), group.len());
            clamps.push(Clamp { layer, sets, asked: removable, removed: count });
        }
        candidates[..count].iter().for_each(|s| removed[*s] = true);
    }
    Ok((PrunePlan::from_removed(coupling, &removed)?, clamps))
}

/// The sets that hold a channel of a layer whose name matches a pattern.
fn protected_sets(coupling: &Coupling, patterns: &[String]) -> Result<Vec<bool>, PruneError> {
    let graph = coupling.graph();
    let mut protected = vec![false; coupling.sets().len()];
    for pattern in patterns {
        let mut found = false;
        for (id, node) in graph.iter() {
            // Only layers that make channels: `model.11`, a concat, must not protect what flows into it.
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
