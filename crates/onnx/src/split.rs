//! [`splits`]: slices that together cover one wire, which ONNX writes as one node.

use std::collections::BTreeMap;

use bonsai_graph::{Graph, NodeId, Op};

/// For the first slice of a wire, in graph order: all its slices, ordered by channel. Wires whose slices
/// overlap or do not cover all channels are left out; so are slices that are not `live`.
pub(crate) fn splits(graph: &Graph, live: &[bool]) -> BTreeMap<NodeId, Vec<NodeId>> {
    let mut by_source: BTreeMap<NodeId, Vec<(usize, usize, NodeId)>> = BTreeMap::new();
    for (id, node) in graph.iter().filter(|(id, _)| live[id.index()]) {
        if let &Op::Slice { start, len } = node.op() {
            by_source.entry(node.inputs()[0]).or_default().push((start, len, id));
        }
    }
    let mut splits = BTreeMap::new();
    for (source, mut slices) in by_source {
        slices.sort_unstable();
        let mut end = 0;
        let contiguous = slices.iter().all(|(start, len, _)| {
            let expected = end;
            end += len;
            *start == expected
        });
        if contiguous && end == graph.node(source).channels() {
            let ids: Vec<NodeId> = slices.into_iter().map(|(.., id)| id).collect();
            if let Some(first) = ids.iter().min() {
                splits.insert(*first, ids);
            }
        }
    }
    splits
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The names of the slices in each split.
    fn check(slices: &str, expected: &[&[&str]]) {
        let names: Vec<&str> = slices.lines().filter_map(|l| l.split_once(" = ")).map(|(n, _)| n).collect();
        let text = format!("x = input() channels=6\n{slices}\noutputs = {}", names.join(", "));
        let graph: Graph = text.parse().unwrap();
        let name = |id: &NodeId| graph.node(*id).name().to_owned();
        let found: Vec<Vec<String>> = splits(&graph, &vec![true; graph.nodes().len()])
            .values()
            .map(|s| s.iter().map(name).collect())
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn only_a_partition_is_a_split() {
        check("a = slice(x) start=0 len=2\nb = slice(x) start=2 len=4", &[&["a", "b"]]);
        check("a = slice(x) start=3 len=3\nb = slice(x) start=0 len=3", &[&["b", "a"]]);
        check(
            "a = slice(x) start=0 len=6\nb = slice(a) start=0 len=1\nc = slice(a) start=1 len=5",
            &[&["a"], &["b", "c"]],
        );
        check("a = slice(x) start=0 len=4\nb = slice(x) start=2 len=4", &[]);
        check("a = slice(x) start=0 len=3\nb = slice(x) start=0 len=3\nc = slice(x) start=3 len=3", &[]);
        check("a = slice(x) start=0 len=2\nb = slice(x) start=3 len=3", &[]);
        check("a = slice(x) start=0 len=2\nb = slice(x) start=2 len=3", &[]);
    }
}
