//! [`Placement`]: which wires share memory. The inputs of a concat are written directly into it, and a slice
//! is a view.
//!
//! A wire lies in a *root*, which is a tensor, at some column. Later concats choose first, so that the outer
//! one of nested concats is the root. Wires that cannot be placed are copied at run time: a wire that already
//! lies elsewhere (one wire in two concats, or twice in one), the images, and slices that a concat joins in
//! another order than their source.
//!
//! Invariant: two wires share a column of a root only if one is a view of the other there. The column
//! therefore has one value and one gradient for all its wires.

use bonsai_graph::{Graph, NodeId, Op};

use super::cuts::Channels;

/// Position of a wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Location {
    /// Index of the root.
    pub(crate) root: usize,
    /// First physical channel in the root.
    pub(crate) column: usize,
}

/// A tensor that holds wires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Root {
    /// The wire that covers the whole root.
    pub(crate) wire: NodeId,
    /// Number of physical channels.
    pub(crate) width: usize,
}

/// Positions of all wires.
#[derive(Debug)]
pub(crate) struct Placement {
    pub(crate) roots: Vec<Root>,
    locations: Vec<Location>,
}

impl Placement {
    /// Assigns a position to every wire.
    pub(crate) fn new(graph: &Graph, channels: &[Channels]) -> Self {
        let mut walk = Walk { graph, channels, roots: Vec::new(), locations: vec![None; channels.len()] };
        for id in graph.ids().rev() {
            let node = graph.node(id);
            if matches!(node.op(), Op::Slice { .. }) {
                continue;
            }
            let location = walk.locations[id.index()].unwrap_or_else(|| walk.new_root(id));
            if matches!(node.op(), Op::Concat) {
                walk.join(id, location);
            }
        }
        let location = |id: NodeId| {
            let (base, offset) = source(graph, channels, id);
            let location = walk.locations[base.index()].expect("all wires except slices were placed");
            Location { column: location.column + offset, ..location }
        };
        Self { locations: graph.ids().map(location).collect(), roots: walk.roots }
    }

    /// Position of a wire.
    pub(crate) fn location(&self, wire: NodeId) -> Location {
        self.locations[wire.index()]
    }

    /// The inputs of a concat that must be copied into it: the wire and its first physical channel in the
    /// concat.
    pub(crate) fn copies(
        &self,
        graph: &Graph,
        channels: &[Channels],
        concat: NodeId,
    ) -> Vec<(NodeId, usize)> {
        let home = self.location(concat);
        parts(graph, channels, concat)
            .filter(|(wire, column)| {
                self.location(*wire) != Location { root: home.root, column: home.column + column }
            })
            .collect()
    }
}

/// The inputs of a concat with the first physical channel of each.
fn parts<'a>(
    graph: &'a Graph,
    channels: &'a [Channels],
    concat: NodeId,
) -> impl Iterator<Item = (NodeId, usize)> + 'a {
    graph.node(concat).inputs().iter().scan(0, |column, input| {
        let start = *column;
        *column += channels[input.index()].physical();
        Some((*input, start))
    })
}

/// The wire of which a slice (of a slice) is a view, and the first physical channel of the slice in it.
fn source(graph: &Graph, channels: &[Channels], mut wire: NodeId) -> (NodeId, usize) {
    let mut offset = 0;
    while let Op::Slice { start, .. } = *graph.node(wire).op() {
        wire = graph.node(wire).inputs()[0];
        offset += channels[wire.index()].column(start);
    }
    (wire, offset)
}

struct Walk<'a> {
    graph: &'a Graph,
    channels: &'a [Channels],
    roots: Vec<Root>,
    locations: Vec<Option<Location>>,
}

impl Walk<'_> {
    fn new_root(&mut self, wire: NodeId) -> Location {
        let location = Location { root: self.roots.len(), column: 0 };
        self.roots.push(Root { wire, width: self.channels[wire.index()].physical() });
        self.locations[wire.index()] = Some(location);
        location
    }

    /// Places the inputs of a concat inside it, if they are not placed yet and fit.
    fn join(&mut self, concat: NodeId, home: Location) {
        let graph = self.graph;
        let parts: Vec<_> = parts(graph, self.channels, concat).collect();
        for &(wire, column) in &parts {
            let (base, offset) = source(graph, self.channels, wire);
            if self.locations[base.index()].is_some() || base == graph.input() {
                continue;
            }
            let end = column + self.channels[base.index()].physical();
            let Some(start) = column.checked_sub(offset) else { continue };
            let end = end - offset;
            // Every part inside the range of the source must be the matching piece of the source.
            let fits = parts.iter().all(|&(other, at)| {
                let other_end = at + self.channels[other.index()].physical();
                let (other_base, other_offset) = source(graph, self.channels, other);
                let apart = other_end <= start || end <= at;
                apart || (other_base == base && other_offset + start == at)
            });
            if fits && end <= self.channels[concat.index()].physical() {
                self.locations[base.index()] =
                    Some(Location { root: home.root, column: home.column + start });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::cuts;
    use super::*;

    struct Case {
        graph: Graph,
        placement: Placement,
        channels: Vec<Channels>,
    }

    impl Case {
        fn from_text(text: &str) -> Self {
            let graph: Graph = text.parse().unwrap();
            let channels = cuts::channels(&graph);
            Self { placement: Placement::new(&graph, &channels), graph, channels }
        }

        fn location(&self, name: &str) -> Location {
            self.placement.location(self.graph.find(name).unwrap())
        }

        fn copies(&self, name: &str) -> usize {
            let concat = self.graph.find(name).unwrap();
            self.placement.copies(&self.graph, &self.channels, concat).len()
        }
    }

    const CONV: &str = "out_channels=20 kernel=1 stride=1 padding=0 bias=false";

    #[test]
    fn both_slices_and_a_residual_land_in_the_concat_behind_them() {
        let case = Case::from_text(&format!(
            "x = input() channels=3
            a = conv2d(x) {CONV}
            s = slice(a) start=0 len=13
            t = slice(a) start=13 len=7
            b = conv2d(t) out_channels=7 kernel=1 stride=1 padding=0 bias=false
            r = add(t, b)
            y = concat(s, t, r)
            outputs = y"
        ));
        let root = case.location("y").root;
        assert_eq!(case.copies("y"), 0);
        assert_eq!(case.location("a"), Location { root, column: 0 });
        assert_eq!(case.location("t"), Location { root, column: 16 });
        assert_eq!(case.location("r"), Location { root, column: 32 });
        assert_ne!(case.location("b").root, root);
    }

    #[test]
    fn slices_in_another_order_are_copied() {
        let case = Case::from_text(&format!(
            "x = input() channels=3
            a = conv2d(x) {CONV}
            s = slice(a) start=0 len=13
            t = slice(a) start=13 len=7
            y = concat(t, s)
            outputs = y"
        ));
        assert_eq!(case.copies("y"), 2);
    }

    #[test]
    fn the_outer_of_nested_concats_is_the_root() {
        let case = Case::from_text(&format!(
            "x = input() channels=3
            a = conv2d(x) {CONV}
            b = conv2d(x) {CONV}
            inner = concat(a, b)
            c = conv2d(inner) {CONV}
            outer = concat(c, inner)
            outputs = outer"
        ));
        assert_eq!((case.copies("inner"), case.copies("outer")), (0, 0));
        assert_eq!(case.location("inner"), Location { root: case.location("outer").root, column: 32 });
        assert_eq!(case.location("b").column, 64);
    }

    #[test]
    fn one_wire_in_two_concats_or_twice_in_one_is_copied_once() {
        let case = Case::from_text(&format!(
            "x = input() channels=3
            a = conv2d(x) {CONV}
            b = conv2d(x) {CONV}
            first = concat(a, b)
            second = concat(b, a, a)
            outputs = first, second"
        ));
        assert_eq!((case.copies("first"), case.copies("second")), (2, 1));
        let case = Case::from_text("x = input() channels=3\ny = concat(x, x)\noutputs = y");
        assert_eq!(case.copies("y"), 2, "the images are never placed");
    }
}
