//! [`Penalised`]: the channels that L1 acts on. The coupling of pruning decides which can be removed, and
//! which only together.

use bonsai_exec::PenaltyMap;
use bonsai_graph::{Graph, NodeId, ParamRole};
use bonsai_prune::{Coupling, Member};

/// The channels of a network that L1 acts on or leaves alone.
#[derive(Debug)]
pub struct Penalised {
    /// The channels that L1 acts on.
    pub map: PenaltyMap,
    /// Number of batch-norm channels that L1 leaves alone.
    pub left: usize,
    /// Number of all batch-norm channels.
    pub channels: usize,
}

impl Penalised {
    /// Every batch-norm channel of `graph`, with the number of its coupled set as its group. With
    /// `exclude_unprunable`, L1 leaves alone the channels that pruning cannot remove.
    pub fn new(graph: &Graph, exclude_unprunable: bool) -> Self {
        let coupling = Coupling::from_graph(graph);
        let mut penalised = Self { map: PenaltyMap::default(), left: 0, channels: 0 };
        let params = graph.params();
        for gamma in params.iter().filter(|param| param.role == ParamRole::BnGamma) {
            let channels = groups(&coupling, gamma.node, gamma.len(), exclude_unprunable);
            penalised.left += channels.iter().filter(|channel| channel.is_none()).count();
            penalised.channels += channels.len();
            let is_beta =
                |node| move |p: &&bonsai_graph::ParamSpec| p.node == node && p.role == ParamRole::BnBeta;
            for beta in params.iter().filter(is_beta(gamma.node)) {
                penalised.map.insert(beta.name.as_str(), channels.clone());
            }
            penalised.map.insert(gamma.name.as_str(), channels);
        }
        penalised
    }
}

fn groups(coupling: &Coupling, node: NodeId, channels: usize, exclude: bool) -> Vec<Option<usize>> {
    let set_of = |channel| coupling.set_of(Member { node, channel });
    let is_left = |set: &usize| exclude && coupling.sets()[*set].pin.is_some();
    (0..channels).map(|channel| Some(set_of(channel)).filter(|set| !is_left(set))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeMap, BTreeSet};

    use bonsai_yolov8::{Scale, build};

    /// A residual block, and a last batch norm that is the network's output and so cannot be pruned.
    const RESIDUAL: &str = "
        x = input() channels=3
        stem = conv2d(x) out_channels=2 kernel=3 stride=1 padding=1 bias=false
        stem.bn = batch_norm(stem) eps=0.001 momentum=0.03
        block = conv2d(stem.bn) out_channels=2 kernel=3 stride=1 padding=1 bias=false
        block.bn = batch_norm(block) eps=0.001 momentum=0.03
        sum = add(stem.bn, block.bn)
        last = conv2d(sum) out_channels=2 kernel=1 stride=1 padding=0 bias=false
        last.bn = batch_norm(last) eps=0.001 momentum=0.03
        outputs = last.bn";

    #[test]
    fn a_residual_is_one_group_and_outputs_are_left_alone() {
        let graph: Graph = RESIDUAL.parse().unwrap();
        for exclude in [true, false] {
            let penalised = Penalised::new(&graph, exclude);
            let map: BTreeMap<_, _> = penalised.map.iter().collect();
            assert_eq!(map.len(), 6);
            assert_eq!(map["stem.bn.weight"], map["block.bn.weight"]);
            assert_eq!(map["stem.bn.weight"], map["stem.bn.bias"]);
            let numbers: BTreeSet<_> = map["stem.bn.weight"].iter().flatten().collect();
            assert_eq!(numbers.len(), 2, "two channels, two groups");
            assert_eq!(map["last.bn.weight"].iter().all(Option::is_none), exclude);
            assert_eq!(map["last.bn.weight"], map["last.bn.bias"]);
            assert_eq!((penalised.left, penalised.channels), (if exclude { 2 } else { 0 }, 6));
        }
    }

    #[test]
    fn the_prunable_channels_of_yolov8n_are_penalised() {
        let model = build(Scale::N, &["cell".to_owned()]).unwrap();
        let graph = model.graph();
        let coupling = Coupling::from_graph(graph);
        let is_norm = |m: &&Member| graph.node(m.node).op().keyword() == "batch_norm";
        let prunable: usize =
            coupling.prunable().map(|set| coupling.sets()[set].members.iter().filter(is_norm).count()).sum();
        let penalised = Penalised::new(graph, true);
        assert_eq!(penalised.channels - penalised.left, prunable);
        let whole = Penalised::new(graph, false);
        assert_eq!((whole.left, whole.channels), (0, penalised.channels));
    }
}
