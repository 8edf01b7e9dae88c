//! [`Unit`]: layers that run fused, namely a convolution with its batch norm, activation and residual sum.
//!
//! A layer joins the unit before it if the wire between them has no other reader, is not tapped and is not an
//! output. A unit runs at the position of its last layer, so everything that it reads has been computed by
//! then.

use bonsai_graph::{Graph, NodeId, Op};

/// Layers that run fused. For a unit of a single layer of any kind, `node` is that layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unit {
    /// The first layer.
    pub(crate) node: NodeId,
    /// The convolution, if the unit begins with one.
    pub(crate) conv: Option<NodeId>,
    /// The batch norm after the convolution, or at the beginning of the unit.
    pub(crate) norm: Option<NodeId>,
    /// The activation.
    pub(crate) silu: Option<NodeId>,
    /// The sum at the end, and the other wire that it adds.
    pub(crate) residual: Option<(NodeId, NodeId)>,
    /// The last layer; its output is the output of the unit.
    pub(crate) last: NodeId,
}

impl Unit {
    /// Whether the unit is a chain that begins with a convolution, batch norm or activation.
    pub(crate) fn is_chain(&self) -> bool {
        self.conv.is_some() || self.norm.is_some() || self.silu.is_some()
    }

    fn alone(graph: &Graph, node: NodeId) -> Self {
        let mut unit = Self { node, conv: None, norm: None, silu: None, residual: None, last: node };
        match *graph.node(node).op() {
            Op::Conv2d { .. } => unit.conv = Some(node),
            Op::BatchNorm { .. } => unit.norm = Some(node),
            Op::Silu => unit.silu = Some(node),
            Op::Input { .. }
            | Op::Add
            | Op::Concat
            | Op::Slice { .. }
            | Op::MaxPool { .. }
            | Op::Upsample { .. } => {}
        }
        unit
    }

    /// Adds the layer to the unit if it may follow; returns whether it did.
    fn extend(&mut self, graph: &Graph, id: NodeId) -> bool {
        let node = graph.node(id);
        let open = self.silu.is_none() && self.residual.is_none();
        match *node.op() {
            Op::BatchNorm { .. } if open && self.conv.is_some() && self.norm.is_none() => {
                self.norm = Some(id);
            }
            Op::Silu if open && self.is_chain() => self.silu = Some(id),
            Op::Add if self.is_chain() && self.residual.is_none() => {
                let other = node.inputs().iter().find(|i| **i != self.last);
                self.residual = other.map(|other| (id, *other));
            }
            Op::Input { .. }
            | Op::Conv2d { .. }
            | Op::BatchNorm { .. }
            | Op::Silu
            | Op::Add
            | Op::Concat
            | Op::Slice { .. }
            | Op::MaxPool { .. }
            | Op::Upsample { .. } => return false,
        }
        self.last = id;
        true
    }
}

/// The units of a graph in execution order; wires in `kept` remain visible.
pub(crate) fn units(graph: &Graph, kept: &[NodeId]) -> Vec<Unit> {
    let consumers = graph.consumers();
    let hidden = |wire: NodeId| {
        consumers[wire.index()].len() == 1 && !kept.contains(&wire) && !graph.outputs().contains(&wire)
    };
    // A unit is stored at the position of its last layer.
    let mut units: Vec<Option<Unit>> = vec![None; graph.nodes().len()];
    for (id, node) in graph.iter() {
        let mut candidates = node.inputs().to_vec();
        if matches!(node.op(), Op::Add) {
            // The most recently computed wire is still in the cache, so it is tried first.
            candidates.sort_unstable();
            candidates.reverse();
            candidates.truncate(if candidates.len() == 2 { 2 } else { 0 });
        }
        let joined = candidates.into_iter().filter(|wire| hidden(*wire)).find_map(|wire| {
            let mut unit = units[wire.index()].take()?;
            if unit.extend(graph, id) {
                return Some(unit);
            }
            units[wire.index()] = Some(unit);
            None
        });
        units[id.index()] = Some(joined.unwrap_or_else(|| Unit::alone(graph, id)));
    }
    units.into_iter().flatten().collect()
}

/// The same units ordered by depth, the longest path from the images. Units of equal depth do not read each
/// other, so they run at the same time and threads synchronise less often.
pub(crate) fn by_depth(graph: &Graph, units: Vec<Unit>) -> Vec<Unit> {
    let mut depths = vec![0; graph.nodes().len()];
    let depth = |unit: Unit| {
        let inputs =
            graph.node(unit.node).inputs().iter().chain(unit.residual.as_ref().map(|(_, wire)| wire));
        let before = inputs.map(|wire| depths[wire.index()]).max().unwrap_or(0);
        // Views take no time. Equal depths keep their order, so a concat stays after its inputs.
        let view = matches!(graph.node(unit.node).op(), Op::Input { .. } | Op::Slice { .. } | Op::Concat);
        let depth = before + usize::from(!view);
        depths[unit.last.index()] = depth;
        (depth, unit)
    };
    let mut units: Vec<_> = units.into_iter().map(depth).collect();
    units.sort_by_key(|(depth, _)| *depth);
    units.into_iter().map(|(_, unit)| unit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str, taps: &[&str]) -> Vec<String> {
        let graph: Graph = text.parse().unwrap();
        let kept: Vec<NodeId> = taps.iter().map(|t| graph.find(t).unwrap()).collect();
        let name = |id: NodeId| graph.node(id).name().to_owned();
        let text = |u: &Unit| {
            let mut layers = vec![name(u.node)];
            layers.extend([u.norm, u.silu, u.residual.map(|r| r.0)].into_iter().flatten().map(name));
            layers.dedup();
            layers.join("+")
        };
        units(&graph, &kept).iter().map(text).collect()
    }

    const RESIDUAL: &str = "
        x = input() channels=3
        c = conv2d(x) out_channels=3 kernel=3 stride=1 padding=1 bias=false
        n = batch_norm(c) eps=0.001 momentum=0.03
        s = silu(n)
        y = add(x, s)
        z = silu(y)
        outputs = z";

    #[test]
    fn a_bottleneck_is_one_unit() {
        assert_eq!(of(RESIDUAL, &[]), ["x", "c+n+s+y", "z"]);
    }

    #[test]
    fn branches_run_side_by_side() {
        let conv = "out_channels=2 kernel=1 stride=1 padding=0 bias=true";
        let text = format!(
            "x = input() channels=2
            a = conv2d(x) {conv}
            b = conv2d(a) {conv}
            s = slice(b) start=0 len=1
            c = conv2d(x) {conv}
            j = concat(s, c)
            d = conv2d(j) {conv}
            outputs = d, a"
        );
        let graph: Graph = text.parse().unwrap();
        let order = by_depth(&graph, units(&graph, &[]));
        let names: Vec<_> = order.iter().map(|u| graph.node(u.node).name()).collect();
        assert_eq!(names, ["x", "a", "c", "b", "s", "j", "d"]);
    }

    #[test]
    fn taps_and_outputs_stay_visible() {
        assert_eq!(of(RESIDUAL, &["n"]), ["x", "c+n", "s+y", "z"]);
        assert_eq!(of(&RESIDUAL.replace("= z", "= z, s"), &[]), ["x", "c+n+s", "y", "z"]);
    }

    #[test]
    fn the_same_wire_twice_is_no_residual() {
        let text = "x = input() channels=3\nc = silu(x)\ny = add(c, c)\noutputs = y";
        assert_eq!(of(text, &[]), ["x", "c", "y"]);
    }

    #[test]
    fn a_unit_waits_for_its_residual() {
        let text = "
            x = input() channels=3
            a = conv2d(x) out_channels=3 kernel=3 stride=1 padding=1 bias=true
            p = max_pool(x) kernel=3 stride=1 padding=1
            y = add(a, p)
            outputs = y";
        assert_eq!(of(text, &[]), ["x", "p", "a+y"]);
    }
}
