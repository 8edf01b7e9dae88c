//! [`Quantization`]: scale and zero point of every wire that is computed in 8-bit codes.
//!
//! The description belongs to a graph with folded batch norm. The exporter, the integer engine and
//! quantisation-aware training share it, so that they round alike.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::codes::{CodeScale, silu};
use crate::{Graph, GraphError, NodeId, Op};

/// The codes of every wire, by the name of the layer that computes it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Quantization {
    wires: BTreeMap<String, CodeScale>,
}

impl Quantization {
    /// Chooses codes from the observed smallest and largest value of each wire in
    /// [`Graph::quantized_wires`].
    ///
    /// Wires in the same group of [`Graph::code_groups`] share the codes that cover all of them. The input of
    /// a SiLU is covered only down to where SiLU is closer to zero than half a step of its output, because
    /// all numbers below have the same code afterwards. Images are taken as 8-bit pixels from 0 to 1.
    ///
    /// # Errors
    /// [`GraphError::InvalidNumber`] if a range is missing or not finite.
    pub fn from_ranges(graph: &Graph, ranges: &BTreeMap<String, (f32, f32)>) -> Result<Self, GraphError> {
        let mut wires = BTreeMap::new();
        for group in graph.code_groups() {
            let mut all = (f32::INFINITY, f32::NEG_INFINITY);
            for wire in &group {
                // Images have the values of pixels, whatever was observed.
                let (low, high) =
                    if *wire == graph.input() { (0.0, 1.0) } else { range(graph, ranges, *wire)? };
                all = (all.0.min(low), all.1.max(high));
            }
            let codes = CodeScale::covering(all.0, all.1);
            wires.extend(group.iter().map(|wire| (graph.node(*wire).name().to_owned(), codes)));
        }
        let mut chosen = Self { wires };
        let consumers = graph.consumers();
        for (id, node) in graph.iter().filter(|(_, node)| *node.op() == Op::Silu) {
            let before = graph.node(node.inputs()[0]).name();
            if graph.is_only_for_silu(node.inputs()[0], &consumers) {
                let after = chosen.get(graph, id)?;
                let (low, high) = range(graph, ranges, node.inputs()[0])?;
                let flat = flat_below(0.5 * f64::from(after.scale)) as f32;
                chosen.wires.insert(before.to_owned(), CodeScale::covering(low.max(flat), high));
            }
        }
        Ok(chosen)
    }

    /// The codes of a wire.
    ///
    /// # Errors
    /// [`GraphError::InvalidNumber`] if the wire has none, or a scale is not finite and positive.
    pub fn get(&self, graph: &Graph, wire: NodeId) -> Result<CodeScale, GraphError> {
        let name = graph.node(wire).name();
        let wrong = |got: String| GraphError::InvalidNumber {
            node: name.to_owned(),
            field: "scale of its 8-bit codes",
            got,
            expected: "a positive number: calibrate the network that is to run",
        };
        let codes = self.wires.get(name).ok_or_else(|| wrong("missing".to_owned()))?;
        if codes.scale.is_normal() && codes.scale > 0.0 {
            Ok(*codes)
        } else {
            Err(wrong(codes.scale.to_string()))
        }
    }

    /// Replaces the codes of a wire.
    pub fn insert(&mut self, wire: &str, codes: CodeScale) {
        self.wires.insert(wire.to_owned(), codes);
    }

    /// Names and codes of all wires, ordered by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, CodeScale)> {
        self.wires.iter().map(|(name, codes)| (name.as_str(), *codes))
    }
}

/// The observed range of a wire.
fn range(
    graph: &Graph,
    ranges: &BTreeMap<String, (f32, f32)>,
    wire: NodeId,
) -> Result<(f32, f32), GraphError> {
    let name = graph.node(wire).name();
    let wrong = |got: String| GraphError::InvalidNumber {
        node: name.to_owned(),
        field: "range of its values",
        got,
        expected: "two finite numbers in order: calibrate all wires that are quantised",
    };
    let (low, high) = *ranges.get(name).ok_or_else(|| wrong("missing".to_owned()))?;
    if low.is_finite() && high.is_finite() && low <= high {
        return Ok((low, high));
    }
    Err(wrong(format!("{low} to {high}")))
}

/// The largest negative number below which SiLU stays within `distance` of zero, at most -1.
///
/// SiLU falls from 0 to its minimum at -1.28 and rises to 0 from there to minus infinity.
fn flat_below(distance: f64) -> f64 {
    let mut low = -64.0;
    let mut high = -1.278_464_542_761_074;
    if silu(high).abs() <= distance {
        return high;
    }
    // Bisection; 60 halvings reach the precision of the numbers.
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if silu(middle).abs() <= distance { low = middle } else { high = middle }
    }
    low
}

impl Graph {
    /// Wires that are computed in codes: all but the outputs of the network that a convolution computes,
    /// which stay 32-bit numbers, because a rounding error in the logits of a box moves it by pixels.
    pub fn quantized_wires(&self) -> Vec<NodeId> {
        self.ids().filter(|id| !self.is_plain_output(*id)).collect()
    }

    /// Whether a wire is an output of the network that a convolution computes.
    pub fn is_plain_output(&self, wire: NodeId) -> bool {
        self.outputs().contains(&wire) && matches!(self.node(wire).op(), Op::Conv2d { .. })
    }

    /// The wires in codes, in groups that share scale and zero point: a concat and its inputs, and input and
    /// output of a slice, a max-pool and an upsampling. The wires of a group are in topological order.
    pub fn code_groups(&self) -> Vec<Vec<NodeId>> {
        let mut group: Vec<usize> = (0..self.nodes().len()).collect();
        for (id, node) in self.iter() {
            let shares = match node.op() {
                Op::Concat | Op::Slice { .. } | Op::MaxPool { .. } | Op::Upsample { .. } => true,
                Op::Input { .. } | Op::Conv2d { .. } | Op::BatchNorm { .. } | Op::Silu | Op::Add => false,
            };
            for input in node.inputs().iter().filter(|_| shares) {
                let [from, to] = [group[input.index()], group[id.index()]];
                if from != to {
                    group.iter_mut().filter(|g| **g == from).for_each(|g| *g = to);
                }
            }
        }
        let mut groups: BTreeMap<usize, Vec<NodeId>> = BTreeMap::new();
        for id in self.quantized_wires() {
            groups.entry(group[id.index()]).or_default().push(id);
        }
        groups.into_values().collect()
    }

    /// Whether nothing but one SiLU reads a wire that a convolution computes.
    fn is_only_for_silu(&self, wire: NodeId, consumers: &[Vec<NodeId>]) -> bool {
        matches!(self.node(wire).op(), Op::Conv2d { .. })
            && !self.outputs().contains(&wire)
            && matches!(consumers[wire.index()][..], [reader] if *self.node(reader).op() == Op::Silu)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NETWORK: &str = "
        x = input() channels=3
        a = conv2d(x) out_channels=4 kernel=1 stride=1 padding=0 bias=true
        s = silu(a)
        l = slice(s) start=0 len=2
        r = slice(s) start=2 len=2
        b = conv2d(r) out_channels=2 kernel=1 stride=1 padding=0 bias=true
        t = silu(b)
        d = add(r, t)
        p = max_pool(d) kernel=3 stride=1 padding=1
        c = concat(l, d, p)
        y = conv2d(c) out_channels=5 kernel=1 stride=1 padding=0 bias=true
        outputs = y";

    fn ranges(graph: &Graph, of: impl Fn(&str) -> (f32, f32)) -> BTreeMap<String, (f32, f32)> {
        graph.iter().map(|(_, node)| (node.name().to_owned(), of(node.name()))).collect()
    }

    #[test]
    fn wires_that_share_memory_share_codes() {
        let graph: Graph = NETWORK.parse().unwrap();
        let name = |id: &NodeId| graph.node(*id).name();
        let groups: Vec<Vec<&str>> =
            graph.code_groups().iter().map(|group| group.iter().map(name).collect()).collect();
        assert!(groups.contains(&vec!["s", "l", "r", "d", "p", "c"]), "{groups:?}");
        assert!(groups.concat().iter().all(|wire| *wire != "y"));
        let wide = |name: &str| if name == "d" { (-0.5, 9.0) } else { (-0.25, 2.0) };
        let chosen = Quantization::from_ranges(&graph, &ranges(&graph, wide)).unwrap();
        let get = |name: &str| chosen.get(&graph, graph.find(name).unwrap());
        assert_eq!(get("l").unwrap(), CodeScale::covering(-0.5, 9.0));
        assert_eq!(get("x").unwrap(), CodeScale::PIXELS);
        assert_eq!(get("t").unwrap(), CodeScale::covering(-0.25, 2.0));
        let error = get("y").unwrap_err().to_string();
        assert!(error.contains("`y`") && error.contains("missing"), "{error}");
    }

    #[test]
    fn the_flat_part_of_silu_takes_no_codes() {
        let graph: Graph = NETWORK.parse().unwrap();
        let of = |name: &str| if name == "a" { (-90.0, 9.0) } else { (-0.2, 9.0) };
        let chosen = Quantization::from_ranges(&graph, &ranges(&graph, of)).unwrap();
        let get = |name: &str| chosen.get(&graph, graph.find(name).unwrap()).unwrap();
        let lowest = get("a").number(0);
        assert!(lowest < -5.0 && lowest > -8.0, "{lowest}");
        // Below, SiLU rounds to the code of zero.
        assert_eq!(get("s").code(silu(lowest - 0.1)), get("s").zero_point);
        // A wire that is not as deep is covered as it is.
        assert_eq!(get("b"), CodeScale::covering(-0.2, 9.0));
        let table = get("a").table(get("s"), silu);
        assert_eq!(table[usize::from(get("a").zero_point)], get("s").zero_point);
    }

    #[test]
    fn a_wire_that_shares_memory_with_the_images_keeps_its_range() {
        let graph: Graph = "
            x = input() channels=3
            a = conv2d(x) out_channels=4 kernel=1 stride=1 padding=0 bias=true
            s = silu(a)
            c = concat(x, s)
            y = conv2d(c) out_channels=5 kernel=1 stride=1 padding=0 bias=true
            outputs = y"
            .parse()
            .unwrap();
        let chosen = Quantization::from_ranges(&graph, &ranges(&graph, |_| (-0.25, 6.0))).unwrap();
        for wire in ["x", "s", "c"] {
            let codes = chosen.get(&graph, graph.find(wire).unwrap()).unwrap();
            assert_eq!(codes, CodeScale::covering(-0.25, 6.0), "{wire}");
        }
        assert_eq!(CodeScale::covering(0.0, 1.0), CodeScale::PIXELS);
    }

    #[test]
    fn ranges_that_were_not_observed_are_refused() {
        let graph: Graph = NETWORK.parse().unwrap();
        let mut observed = ranges(&graph, |_| (-1.0, 1.0));
        observed.insert("p".to_owned(), (0.0, f32::NAN));
        let error = Quantization::from_ranges(&graph, &observed).unwrap_err().to_string();
        assert!(error.contains("`p`") && error.contains("NaN"), "{error}");
        observed.remove("p");
        let error = Quantization::from_ranges(&graph, &observed).unwrap_err().to_string();
        assert!(error.contains("`p`") && error.contains("missing"), "{error}");
    }

    #[test]
    fn the_description_survives_json() {
        let graph: Graph = NETWORK.parse().unwrap();
        let chosen = Quantization::from_ranges(&graph, &ranges(&graph, |_| (-1.0, 3.0))).unwrap();
        let text = serde_json::to_string(&chosen).unwrap();
        assert_eq!(serde_json::from_str::<Quantization>(&text).unwrap(), chosen);
    }
}
