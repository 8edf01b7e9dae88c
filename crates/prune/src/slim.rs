//! Network Slimming for YOLOv8 as the scripts that rebuild a masked network practise it.
//!
//! Every batch norm outside a residual stream is cut by its own gammas against one threshold: the gamma at the given share
//! from below. A layer whose output is split keeps an even count, and none is emptied.

use bonsai_checkpoint::Weights;
use bonsai_graph::{Graph, NodeId, Op};

use crate::gammas::gammas;
use crate::{Coupling, Member, PruneError, PrunePlan};

/// Removes about the share `ratio` of the channels that are looked at.
pub(crate) fn select_slim(
    coupling: &Coupling,
    weights: &Weights,
    ratio: f64,
) -> Result<PrunePlan, PruneError> {
    let graph = coupling.graph();
    let mut layers = gammas(graph, weights)?;
    layers.retain(|(node, gamma)| {
        // A set with two batch norms is a residual stream: the scripts leave all layers on it alone.
        (0..gamma.len()).all(|channel| {
            let set = coupling.set_of(Member { node: *node, channel });
            coupling.sets()[set].pin.is_none() && coupling.gammas(set).count() == 1
        })
    });
    let mut rising: Vec<f64> = layers.iter().flat_map(|(_, g)| g.iter().copied()).collect();
    rising.sort_by(f64::total_cmp);
    let index = (rising.len() as f64 * ratio) as usize;
    let threshold = match rising.get(index) {
        Some(_) if ratio == 0.0 => f64::NEG_INFINITY,
        Some(threshold) => *threshold,
        None => f64::INFINITY,
    };
    let needed = last_of_groups(coupling, &layers);
    let mut removed = Vec::new();
    for (node, gamma) in &layers {
        let set = |channel: usize| coupling.set_of(Member { node: *node, channel });
        let kept = kept(gamma, threshold, is_split(graph, *node), |c| needed[set(c)]);
        removed.extend((0..gamma.len()).filter(|c| !kept[*c]).map(set));
    }
    PrunePlan::removing(coupling, removed)
}

/// The best set of each group: halves of a split layer are read apart, and neither may lose everything.
fn last_of_groups(coupling: &Coupling, layers: &[(NodeId, Vec<f64>)]) -> Vec<bool> {
    let mut score = vec![f64::NEG_INFINITY; coupling.sets().len()];
    for (node, gamma) in layers {
        for (channel, gamma) in gamma.iter().enumerate() {
            score[coupling.set_of(Member { node: *node, channel })] = *gamma;
        }
    }
    let mut needed = vec![false; score.len()];
    for group in coupling.groups() {
        let best = group.iter().copied().max_by(|a, b| score[*a].total_cmp(&score[*b]).then(b.cmp(a)));
        if let Some(set) = best {
            needed[set] = true;
        }
    }
    needed
}

/// Which channels are needed or above the threshold, in pairs if asked for: then the next largest joins them.
fn kept(gamma: &[f64], threshold: f64, even: bool, needed: impl Fn(usize) -> bool) -> Vec<bool> {
    let mut kept: Vec<bool> = gamma.iter().enumerate().map(|(c, g)| *g > threshold || needed(c)).collect();
    let count = kept.iter().filter(|k| **k).count();
    if even && count % 2 == 1 {
        let left = (0..gamma.len()).filter(|c| !kept[*c]);
        let next = left.max_by(|a, b| gamma[*a].total_cmp(&gamma[*b]).then(b.cmp(a)));
        if let Some(channel) = next {
            kept[channel] = true;
        }
    }
    kept
}

/// Whether slices read the layer, through whatever keeps channels in place.
fn is_split(graph: &Graph, layer: NodeId) -> bool {
    graph.iter().filter(|(_, n)| n.inputs().contains(&layer)).any(|(id, n)| match n.op() {
        Op::Slice { .. } => true,
        Op::BatchNorm { .. } | Op::Silu => is_split(graph, id),
        Op::Input { .. }
        | Op::Conv2d { .. }
        | Op::Add
        | Op::Concat
        | Op::MaxPool { .. }
        | Op::Upsample { .. } => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn above_the_threshold_what_is_needed_and_pairs() {
        let of = |threshold, even| kept(&[0.1, 0.4, 0.2, 0.3], threshold, even, |c| c == 1);
        assert_eq!(of(0.1, false), [false, true, true, true]);
        assert_eq!(of(0.25, false), [false, true, false, true]);
        assert_eq!(of(9.0, false), [false, true, false, false]);
        assert_eq!(of(0.1, true), [true; 4]);
        assert_eq!(of(9.0, true), [false, true, false, true]);
        assert_eq!(kept(&[0.1, 0.4, 0.2], 0.0, true, |_| false), [true; 3], "there is no fourth");
    }
}
