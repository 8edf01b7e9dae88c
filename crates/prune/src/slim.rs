//! [`SlimRanking`]: Network Slimming as the "masked rebuild" scripts for YOLOv8 do it, but from the graph
//! instead of from names.
//!
//! The ignore list of those scripts holds the batch norms of residual streams; here, it is every batch norm
//! with a channel coupled to another batch norm. Their list of layers to split is here every layer whose
//! output a slice reads.

use bonsai_graph::{Graph, NodeId, Op};

use crate::gamma::Gammas;
use crate::guard::conv_of;
use crate::policy::share_of;
use crate::ranking::{Choice, Ranking};
use crate::select::protected_sets;
use crate::{Candidates, Coupling, Guard, Member, PruneError, PrunePolicy, SafeLimit};

/// The channels that [`Preset::Slim`](crate::Preset::Slim) may remove.
pub(crate) struct SlimRanking<'a> {
    coupling: &'a Coupling,
    policy: PrunePolicy,
    layers: Vec<Layer>,
    /// |gamma| of each set; 0 for sets that are not ranked.
    gamma: Vec<f32>,
    /// |gamma| of all ranked sets, ascending.
    sorted: Vec<f32>,
}

/// One batch norm that may be pruned.
struct Layer {
    /// The groups of the batch norm, lowest |gamma| first: one, or several if slices split it.
    groups: Vec<Vec<usize>>,
    channels: usize,
    is_split: bool,
}

impl<'a> SlimRanking<'a> {
    /// # Errors
    /// [`PruneError::Checkpoint`], [`PruneError::NotFinite`] or [`PruneError::NothingProtected`].
    pub(crate) fn new(candidates: &Candidates<'a>, policy: &PrunePolicy) -> Result<Self, PruneError> {
        let coupling = candidates.coupling;
        let graph = coupling.graph();
        let gammas = Gammas::new(graph, candidates.weights)?;
        let protected = protected_sets(coupling, &policy.protect)?;
        let mut gamma = vec![0.0; coupling.sets().len()];
        let mut layers: Vec<(NodeId, Layer)> = Vec::new();
        for group in coupling.groups().iter().filter(|g| !g.iter().any(|s| protected[*s])) {
            let Some(norm) = sole_norm(coupling, group[0]).filter(|n| stands_alone(coupling, *n)) else {
                continue;
            };
            for set in group {
                gamma[*set] = coupling.gammas(*set).map(|m| gammas.get(m)).fold(0.0, f32::max);
            }
            let mut group = group.clone();
            group.sort_by(|a, b| gamma[*a].total_cmp(&gamma[*b]).then(a.cmp(b)));
            if let Some((_, layer)) = layers.iter_mut().find(|(id, _)| *id == norm) {
                layer.groups.push(group);
            } else {
                let channels = graph.node(norm).channels();
                let is_split = is_split(graph, norm);
                layers.push((norm, Layer { groups: vec![group], channels, is_split }));
            }
        }
        let layers: Vec<Layer> = layers.into_iter().map(|(_, layer)| layer).collect();
        let ranked = layers.iter().flat_map(|l| l.groups.iter().flatten());
        let mut sorted: Vec<f32> = ranked.map(|set| gamma[*set]).collect();
        sorted.sort_by(f32::total_cmp);
        Ok(Self { coupling, policy: policy.without_floors(), layers, gamma, sorted })
    }

    /// Restores one channel if a split layer would keep an odd number.
    fn make_even(&self, layer: &Layer, choice: &mut Choice) {
        let removed = |set: &&usize| choice.removed[**set];
        let lost = layer.groups.iter().flatten().filter(removed).count();
        if !layer.is_split || (layer.channels - lost).is_multiple_of(2) {
            return;
        }
        let best = layer.groups.iter().flatten().filter(removed);
        let best = best.max_by(|a, b| self.gamma[**a].total_cmp(&self.gamma[**b]).then(b.cmp(a))).copied();
        let Some(best) = best else { return };
        choice.removed[best] = false;
        if let Some(group) = layer.groups.iter().find(|g| g.contains(&best)) {
            let lost = group.iter().filter(|set| choice.removed[**set]).count();
            choice.note(self.coupling, group, lost + 1, lost, Guard::EvenSplit);
        }
    }
}

impl Ranking for SlimRanking<'_> {
    fn at(&self, ratio: f64) -> Choice {
        let mut choice = Choice::none(self.coupling);
        let Some(last) = self.sorted.len().checked_sub(1).filter(|_| ratio > 0.0) else { return choice };
        let threshold = self.sorted[share_of(ratio, self.sorted.len()).min(last)];
        for layer in &self.layers {
            for group in &layer.groups {
                let asked = group.partition_point(|set| self.gamma[*set] <= threshold);
                choice.take(self.coupling, &self.policy, group, asked);
            }
            self.make_even(layer, &mut choice);
        }
        choice
    }

    fn ratios(&self) -> Vec<f64> {
        let n = self.sorted.len();
        // At any ratio above 0, index 0 already removes the smallest gamma; half a step represents that case.
        let half = (n > 0).then(|| 0.5 / n as f64);
        std::iter::once(0.0).chain(half).chain((1..n).map(|k| k as f64 / n as f64)).collect()
    }

    fn safe_limit(&self) -> Option<SafeLimit> {
        let best = self.layers.iter().flat_map(|l| &l.groups).filter_map(|g| g.last());
        let best = best.min_by(|a, b| self.gamma[**a].total_cmp(&self.gamma[**b]))?;
        // The threshold must stay below that gamma, so the last valid index is the one before its first
        // occurrence.
        let index = self.sorted.partition_point(|g| *g < self.gamma[*best]);
        let ratio = index.saturating_sub(1) as f64 / self.sorted.len() as f64;
        Some(SafeLimit { ratio, conv: conv_of(self.coupling, *best) })
    }
}

/// The batch norm of a set that has exactly one.
fn sole_norm(coupling: &Coupling, set: usize) -> Option<NodeId> {
    let mut norms = coupling.gammas(set);
    let first = norms.next()?;
    norms.next().is_none().then_some(first.node)
}

/// Whether no channel of a batch norm is coupled to another batch norm.
fn stands_alone(coupling: &Coupling, norm: NodeId) -> bool {
    let channels = 0..coupling.graph().node(norm).channels();
    channels.map(|channel| Member { node: norm, channel }).all(|member| {
        let set = coupling.set_of(member);
        sole_norm(coupling, set).is_some()
    })
}

/// Whether a slice reads the output of a batch norm, directly or after its activation.
fn is_split(graph: &Graph, norm: NodeId) -> bool {
    let reads = |id: NodeId| graph.nodes().iter().filter(move |n| n.inputs().contains(&id));
    let is_slice = |id: NodeId| reads(id).any(|n| matches!(n.op(), Op::Slice { .. }));
    let silus = graph.iter().filter(|(_, n)| matches!(n.op(), Op::Silu) && n.inputs().contains(&norm));
    is_slice(norm) || silus.into_iter().any(|(id, _)| is_slice(id))
}
