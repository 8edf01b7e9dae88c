//! [`Channels`]: positions of the channels of a wire, in segments that are each padded with zeros to whole
//! cache lines.
//!
//! A pruned network has wires of, for example, 13 or 27 channels. A slice of a wire, or a wire inside a
//! concat, can be a view only if it starts at a cache line. Therefore a wire is cut wherever a slice or
//! concat cuts it or a wire with which it shares memory or arithmetic, and each piece between two cuts is
//! padded separately. Cuts do not pass through convolutions, which mix channels, except depthwise ones.
//!
//! Invariant: wires that an element-wise layer combines have equal segments, and the part of a slice or
//! concat is a range of whole segments of the whole wire.

use std::collections::BTreeSet;
use std::ops::Range;

use bonsai_graph::{Graph, Node, NodeId, Op};
use bonsai_kernels::layout::Segment;
use bonsai_kernels::padded;

/// The physical channels of one wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Channels {
    /// First logical channel of every segment, followed by the number of logical channels.
    cuts: Vec<usize>,
    /// Whether segments have no padding.
    dense: bool,
}

impl Channels {
    /// Number of logical channels.
    pub(crate) fn logical(&self) -> usize {
        self.cuts[self.cuts.len() - 1]
    }

    /// Number of physical channels, including padding.
    pub(crate) fn physical(&self) -> usize {
        self.column(self.logical())
    }

    /// Physical position of a cut.
    pub(crate) fn column(&self, cut: usize) -> usize {
        let before = self.cuts.windows(2).take_while(|s| s[1] <= cut);
        before.map(|s| self.width(s[1] - s[0])).sum()
    }

    /// Position of every segment.
    pub(crate) fn segments(&self) -> Vec<Segment> {
        let mut physical = 0;
        let segment = |s: &[usize]| {
            let segment = Segment { logical: s[0], physical, len: s[1] - s[0] };
            physical += self.width(segment.len);
            segment
        };
        self.cuts.windows(2).map(segment).collect()
    }

    /// Ranges of physical channels that are not padding.
    pub(crate) fn live(&self) -> Vec<Range<usize>> {
        self.segments().iter().map(|s| s.physical..s.physical + s.len).collect()
    }

    /// Physical position of every logical channel.
    pub(crate) fn positions(&self) -> Vec<usize> {
        self.segments().iter().flat_map(|s| s.physical..s.physical + s.len).collect()
    }

    /// The same channels with padding.
    pub(crate) fn to_padded(&self) -> Self {
        Self { dense: false, ..self.clone() }
    }

    fn width(&self, len: usize) -> usize {
        if self.dense { len } else { padded(len) }
    }
}

/// The channels of every wire.
///
/// The images are dense if only ungrouped convolutions read them: padding three channels to sixteen would
/// cause five times the memory traffic.
pub(crate) fn channels(graph: &Graph) -> Vec<Channels> {
    let mut cuts: Vec<BTreeSet<usize>> =
        graph.nodes().iter().map(|n| BTreeSet::from([0, n.channels()])).collect();
    // Cuts propagate along wires in both directions. One sweep each way is enough, except for cycles of
    // slices and sums.
    loop {
        let down = sweep(graph, graph.ids(), &mut cuts);
        let up = sweep(graph, graph.ids().rev(), &mut cuts);
        if !down && !up {
            break;
        }
    }
    let input = graph.input();
    let is_conv = |n: &Node| matches!(n.op(), Op::Conv2d { groups: 1, .. });
    let dense = !graph.outputs().contains(&input)
        && graph.nodes().iter().all(|n| is_conv(n) || !n.inputs().contains(&input));
    let channels = |(i, cuts): (usize, BTreeSet<usize>)| Channels {
        cuts: cuts.into_iter().collect(),
        dense: dense && i == input.index(),
    };
    cuts.into_iter().enumerate().map(channels).collect()
}

/// Propagates cuts over every layer once; returns whether there are new cuts.
fn sweep(graph: &Graph, order: impl Iterator<Item = NodeId>, cuts: &mut [BTreeSet<usize>]) -> bool {
    let count = |cuts: &[BTreeSet<usize>]| cuts.iter().map(BTreeSet::len).sum::<usize>();
    let before = count(cuts);
    for id in order {
        let i = id.index();
        let node = graph.node(id);
        match *node.op() {
            Op::Conv2d { .. } if graph.is_depthwise(id) => {
                couple(cuts, node.inputs()[0].index(), i, 0, 0, node.channels());
            }
            Op::Input { .. } | Op::Conv2d { .. } => {}
            Op::BatchNorm { .. } | Op::Silu | Op::Add | Op::MaxPool { .. } | Op::Upsample { .. } => {
                for input in node.inputs() {
                    couple(cuts, input.index(), i, 0, 0, node.channels());
                }
            }
            Op::Concat => {
                let mut start = 0;
                for input in node.inputs() {
                    let len = graph.node(*input).channels();
                    couple(cuts, input.index(), i, 0, start, len);
                    start += len;
                }
            }
            Op::Slice { start, len } => couple(cuts, node.inputs()[0].index(), i, start, 0, len),
        }
    }
    count(cuts) > before
}

/// Copies the cuts of `len` channels of wire `a` from `a_start` on to wire `b` from `b_start` on, and back.
fn couple(cuts: &mut [BTreeSet<usize>], a: usize, b: usize, a_start: usize, b_start: usize, len: usize) {
    let inside = |wire: usize, start: usize| -> Vec<usize> {
        cuts[wire].range(start..=start + len).map(|c| c - start).collect()
    };
    let both = [inside(a, a_start), inside(b, b_start), vec![0, len]].concat();
    cuts[a].extend(both.iter().map(|c| c + a_start));
    cuts[b].extend(both.iter().map(|c| c + b_start));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> impl Fn(&str) -> Channels {
        let graph: Graph = text.parse().unwrap();
        let all = channels(&graph);
        move |name| all[graph.find(name).unwrap().index()].clone()
    }

    #[test]
    fn uneven_slices_cut_what_they_share_arithmetic_with() {
        let wire = of("
            x = input() channels=3
            a = conv2d(x) out_channels=40 kernel=1 stride=1 padding=0 bias=false
            n = batch_norm(a) eps=0.001 momentum=0.03
            s = slice(n) start=0 len=13
            t = slice(n) start=13 len=27
            b = conv2d(t) out_channels=27 kernel=1 stride=1 padding=0 bias=false
            r = add(t, b)
            y = concat(s, t, r)
            outputs = y");
        assert_eq!(wire("a").cuts, [0, 13, 40]);
        assert_eq!(wire("n").physical(), 16 + 32);
        assert_eq!(wire("b").cuts, [0, 27]);
        assert_eq!(wire("y").cuts, [0, 13, 40, 67]);
        assert_eq!(wire("y").column(40), 48);
        let positions = wire("a").positions();
        assert_eq!((positions[12], positions[13], positions[39]), (12, 16, 42));
        assert_eq!(wire("x"), Channels { cuts: vec![0, 3], dense: true });
    }

    #[test]
    fn cuts_go_round_until_nothing_changes() {
        // A sum of shifted slices cuts every channel.
        let wire = of("
            x = input() channels=6
            a = slice(x) start=0 len=5
            b = slice(x) start=1 len=5
            y = add(a, b)
            outputs = y");
        assert_eq!(wire("x").cuts, [0, 1, 2, 3, 4, 5, 6]);
        assert_eq!(wire("y").physical(), 5 * 16);
        assert!(!wire("x").dense);
    }

    #[test]
    fn images_that_are_also_an_output_are_padded() {
        let wire = of("
            x = input() channels=3
            y = conv2d(x) out_channels=2 kernel=1 stride=1 padding=0 bias=false
            outputs = y, x");
        assert_eq!(wire("x").physical(), 16);
    }
}
