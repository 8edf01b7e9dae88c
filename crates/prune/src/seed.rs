//! The choice that the seed's hand-written script makes, without its script.
//!
//! All gammas of the network are sorted, and the one at the given share from the top is the threshold. Only layers whose
//! readers the script knows are cut: first convolutions of bottlenecks, a few layers between the blocks, what feeds the
//! heads, and the heads' first two convolutions. Where fewer than eight channels reach the threshold, it is halved for
//! that layer until eight do.

use bonsai_checkpoint::Weights;
use bonsai_graph::{Graph, NodeId};

use crate::gammas::gammas;
use crate::glob::matches;
use crate::{Coupling, Member, PruneError, PrunePlan};

/// Channels that every layer keeps.
const FLOOR: usize = 8;

/// Batch norms of the layers that are cut, by Ultralytics' names: the bottlenecks of every depth, and single layers.
const LAYERS: [&str; 10] = [
    "model.*.m.*.cv1.bn",
    "model.3.bn",
    "model.5.bn",
    "model.7.bn",
    "model.8.cv2.bn",
    "model.15.cv2.bn",
    "model.18.cv2.bn",
    "model.21.cv2.bn",
    "model.22.cv?.?.0.bn",
    "model.22.cv?.?.1.bn",
];

/// Keeps about the share `keep` of all channels.
pub(crate) fn select_seed(
    coupling: &Coupling,
    weights: &Weights,
    keep: f64,
) -> Result<PrunePlan, PruneError> {
    let graph = coupling.graph();
    let gammas = gammas(graph, weights)?;
    let mut falling: Vec<f64> = gammas.iter().flat_map(|(_, g)| g.iter().copied()).collect();
    falling.sort_by(|a, b| b.total_cmp(a));
    let index = (falling.len() as f64 * keep) as usize;
    // Beyond the last: everything is kept.
    let threshold = falling.get(index).copied().unwrap_or(0.0);
    let mut removed = Vec::new();
    for (node, gamma) in gammas.iter().filter(|(node, _)| is_cut(graph, *node)) {
        let kept = kept(gamma, threshold);
        removed.extend((0..gamma.len()).filter(|c| !kept[*c]).map(|channel| {
            let member = Member { node: *node, channel };
            coupling.set_of(member)
        }));
    }
    for pattern in LAYERS {
        if !graph.nodes().iter().any(|n| matches(pattern, n.name())) {
            return Err(PruneError::PresetLayer { preset: "seed", layer: pattern.to_owned() });
        }
    }
    PrunePlan::removing(coupling, removed)
}

fn is_cut(graph: &Graph, node: NodeId) -> bool {
    LAYERS.iter().any(|pattern| matches(pattern, graph.node(node).name()))
}

/// Which channels reach the threshold, halved until enough do.
fn kept(gamma: &[f64], mut threshold: f64) -> Vec<bool> {
    loop {
        let kept: Vec<bool> = gamma.iter().map(|g| *g >= threshold).collect();
        if kept.iter().filter(|k| **k).count() >= FLOOR.min(gamma.len()) {
            return kept;
        }
        threshold *= 0.5;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_threshold_is_halved_until_eight_are_kept() {
        let gamma: Vec<f64> = (1..=16).map(f64::from).collect();
        let count = |threshold| kept(&gamma, threshold).iter().filter(|k| **k).count();
        assert_eq!(count(4.0), 13);
        assert_eq!(count(9.0), 8, "those that reach it are enough");
        assert_eq!(count(10.0), 12, "7 reach 10, 12 reach 5");
        assert_eq!(count(1e9), 9, "a billion, halved until 8 reach it, is 7.45");
        assert_eq!(kept(&[0.5, 0.1], 0.3), [true, true], "a small layer stays whole");
        assert_eq!(kept(&[0.0; 9], 1.0), [true; 9], "halved down to zero");
    }
}
