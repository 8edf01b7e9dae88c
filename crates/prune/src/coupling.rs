//! [`Coupling`]: sets of channels that must be kept or removed together.
//!
//! Every output channel of every layer is an element of a disjoint-set forest; each layer merges the channels
//! that it forces to share an index. The result depends only on the graph, not on weights, tracing or a
//! device. Residuals, concats of four inputs and split halves need no special case.
//!
//! Invariant: a set is kept or removed whole, so a pruned graph always type-checks as long as no layer is
//! emptied. [`select`](crate::select()) chooses the sets; [`apply`](crate::apply()) rewrites the tensors.

use std::collections::BTreeMap;

use bonsai_graph::{Graph, NodeId, Op};

use crate::Pin;
use crate::disjoint::DisjointSets;

/// One channel of one layer's output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Member {
    /// The layer.
    pub node: NodeId,
    /// The channel of its output.
    pub channel: usize,
}

/// Channels that are kept or removed together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelSet {
    /// The channels, by layer in topological order, then by channel.
    pub members: Vec<Member>,
    /// Why the set must stay; `None` if it may be removed.
    pub pin: Option<Pin>,
}

/// The partition of all channels of a graph into sets, and of the sets into groups.
#[derive(Debug, Clone)]
pub struct Coupling {
    graph: Graph,
    /// For each layer, the set of each of its channels.
    set_of: Vec<Vec<usize>>,
    sets: Vec<ChannelSet>,
    groups: Vec<Vec<usize>>,
}

impl Coupling {
    /// Couples the channels of `graph`.
    ///
    /// Batch norm, SiLU, pooling, upsampling and addition couple equal channel numbers. A concat couples each
    /// output channel to the input channel at its offset, and a slice couples channel `c` to input channel
    /// `start + c`. An ordinary convolution couples nothing. A grouped convolution couples all inputs and
    /// outputs of a group; a depthwise one therefore couples each input channel to its output channels.
    pub fn from_graph(graph: &Graph) -> Self {
        let mut offsets = Vec::with_capacity(graph.nodes().len());
        let mut elements = 0;
        for node in graph.nodes() {
            offsets.push(elements);
            elements += node.channels();
        }
        let mut forest = DisjointSets::new(elements);
        for (id, _) in graph.iter() {
            for_each_source(graph, id, |channel, source| {
                forest.union(offsets[id.index()] + channel, offsets[source.node.index()] + source.channel);
            });
        }
        // Sets are numbered by their first member in topological order.
        let mut number = vec![usize::MAX; elements];
        let mut sets: Vec<ChannelSet> = Vec::new();
        let mut set_of: Vec<Vec<usize>> = Vec::with_capacity(offsets.len());
        for (id, node) in graph.iter() {
            let mut of_node = Vec::with_capacity(node.channels());
            for channel in 0..node.channels() {
                let root = forest.find(offsets[id.index()] + channel);
                if number[root] == usize::MAX {
                    number[root] = sets.len();
                    sets.push(ChannelSet { members: Vec::new(), pin: None });
                }
                sets[number[root]].members.push(Member { node: id, channel });
                of_node.push(number[root]);
            }
            set_of.push(of_node);
        }
        let mut coupling = Self { graph: graph.clone(), set_of, sets, groups: Vec::new() };
        coupling.pin_sets();
        coupling.group_sets();
        coupling
    }

    /// The graph to which the channels belong.
    pub const fn graph(&self) -> &Graph {
        &self.graph
    }

    /// All sets, numbered by their first channel in topological order.
    pub fn sets(&self) -> &[ChannelSet] {
        &self.sets
    }

    /// The number of the set to which a channel belongs.
    ///
    /// # Panics
    /// If the layer has no such channel.
    pub fn set_of(&self, member: Member) -> usize {
        self.set_of[member.node.index()][member.channel]
    }

    /// The numbers of the sets that may be removed, ascending.
    pub fn prunable(&self) -> impl Iterator<Item = usize> {
        self.sets.iter().enumerate().filter(|(_, s)| s.pin.is_none()).map(|(i, _)| i)
    }

    /// The sets that may be removed, grouped by layers: all sets of one group have channels in exactly the
    /// same layers. If the kept count of each group is a multiple of n, every layer width is one too, also
    /// after concats and slices.
    pub fn groups(&self) -> &[Vec<usize>] {
        &self.groups
    }

    /// The channels of each layer that remain when the sets marked in `removed` are gone.
    pub(crate) fn kept_channels(&self, removed: &[bool]) -> Vec<Vec<usize>> {
        let kept = |sets: &Vec<usize>| (0..sets.len()).filter(|c| !removed[sets[*c]]).collect();
        self.set_of.iter().map(kept).collect()
    }

    /// The batch-norm channels of a set.
    pub(crate) fn gammas(&self, set: usize) -> impl Iterator<Item = Member> {
        let is_norm = |m: &&Member| matches!(self.graph.node(m.node).op(), Op::BatchNorm { .. });
        self.sets[set].members.iter().filter(is_norm).copied()
    }

    fn pin_sets(&mut self) {
        let zeroed = zeroed_channels(&self.graph);
        let mut pins: Vec<(usize, Pin)> = Vec::new();
        for (id, node) in self.graph.iter() {
            match *node.op() {
                Op::Input { .. } => pins.extend(self.set_of[id.index()].iter().map(|s| (*s, Pin::Input))),
                // A grouped convolution loses its outputs together with the input channels, so it pins
                // nothing.
                Op::Conv2d { groups: 1, .. } => {
                    let wire = node.inputs()[0];
                    for (channel, set) in self.set_of[wire.index()].iter().enumerate() {
                        if !zeroed[wire.index()][channel] {
                            pins.push((*set, Pin::NotZeroed { wire, reader: id }));
                        }
                    }
                }
                Op::Conv2d { .. }
                | Op::BatchNorm { .. }
                | Op::Silu
                | Op::Add
                | Op::Concat
                | Op::Slice { .. }
                | Op::MaxPool { .. }
                | Op::Upsample { .. } => {}
            }
        }
        for output in self.graph.outputs() {
            pins.extend(self.set_of[output.index()].iter().map(|s| (*s, Pin::Output(*output))));
        }
        let silent = (0..self.sets.len()).filter(|s| self.gammas(*s).next().is_none());
        pins.extend(silent.map(|s| (s, Pin::NoBatchNorm)));
        // The most direct reason wins: image and outputs before reasons that depend on layers in between.
        pins.sort_by_key(|(_, pin)| match pin {
            Pin::Input => 0,
            Pin::Output(_) => 1,
            Pin::NotZeroed { .. } => 2,
            Pin::NoBatchNorm => 3,
        });
        for (set, pin) in pins {
            self.sets[set].pin.get_or_insert(pin);
        }
    }

    fn group_sets(&mut self) {
        let mut by_layers: BTreeMap<Vec<NodeId>, usize> = BTreeMap::new();
        for set in 0..self.sets.len() {
            if self.sets[set].pin.is_some() {
                continue;
            }
            let mut layers: Vec<NodeId> = self.sets[set].members.iter().map(|m| m.node).collect();
            layers.dedup();
            let group = *by_layers.entry(layers).or_insert(self.groups.len());
            if group == self.groups.len() {
                self.groups.push(Vec::new());
            }
            self.groups[group].push(set);
        }
    }
}

/// Calls `f(channel, source)` for every channel of a layer and each input channel with which it must share an
/// index.
pub(crate) fn for_each_source(graph: &Graph, id: NodeId, mut f: impl FnMut(usize, Member)) {
    let node = graph.node(id);
    match *node.op() {
        Op::Input { .. } | Op::Conv2d { groups: 1, .. } => {}
        Op::Conv2d { groups, out_channels, .. } => {
            let ins = graph.in_channels(id) / groups;
            let outs = out_channels / groups;
            for c in 0..out_channels {
                let group = c / outs * ins;
                (group..group + ins).for_each(|i| f(c, Member { node: node.inputs()[0], channel: i }));
            }
        }
        Op::BatchNorm { .. } | Op::Silu | Op::Add | Op::MaxPool { .. } | Op::Upsample { .. } => {
            for input in node.inputs() {
                (0..node.channels()).for_each(|c| f(c, Member { node: *input, channel: c }));
            }
        }
        Op::Concat => {
            let mut offset = 0;
            for input in node.inputs() {
                let channels = graph.node(*input).channels();
                (0..channels).for_each(|c| f(offset + c, Member { node: *input, channel: c }));
                offset += channels;
            }
        }
        Op::Slice { start, len } => {
            (0..len).for_each(|c| f(c, Member { node: node.inputs()[0], channel: start + c }));
        }
    }
}

/// For each layer: which channels are zero when all gammas and betas are zero.
fn zeroed_channels(graph: &Graph) -> Vec<Vec<bool>> {
    let mut zeroed: Vec<Vec<bool>> = Vec::with_capacity(graph.nodes().len());
    for (id, node) in graph.iter() {
        let mut channels = match node.op() {
            Op::Input { .. } | Op::Conv2d { groups: 1, .. } => vec![false; node.channels()],
            Op::Conv2d { bias, .. } => vec![!bias; node.channels()],
            Op::BatchNorm { .. }
            | Op::Silu
            | Op::Add
            | Op::Concat
            | Op::Slice { .. }
            | Op::MaxPool { .. }
            | Op::Upsample { .. } => vec![true; node.channels()],
        };
        // A batch norm outputs its beta for any input; other layers output zero only if every source is zero.
        if !matches!(node.op(), Op::BatchNorm { .. }) {
            for_each_source(graph, id, |c, source| {
                channels[c] &= zeroed[source.node.index()][source.channel];
            });
        }
        zeroed.push(channels);
    }
    zeroed
}
