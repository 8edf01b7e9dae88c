//! [`order`]: puts nodes into an order in which they can run, and checks that every value is computed once.
//!
//! Some exporters write nodes in another order. If two nodes computed one value, a runtime could run
//! something else than what was checked. rten 0.27 follows a chain of nodes recursively, so a long chain
//! crashes the program.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashMap};

use crate::proto::{AttributeProto, GraphProto, NodeProto};

/// Most nodes of a graph.
const MOST_NODES: usize = 20_000;
/// Most outputs of a node.
const MOST_OUTPUTS: usize = 256;
/// Most nodes of a chain. YOLOv8x with everything dynamic has about 600.
const LONGEST_CHAIN: usize = 2_000;

/// The place of a problem in the graph, and its description.
pub(super) type Flaw = (String, String);

/// The name of a node in messages.
pub(super) fn title(node: &NodeProto, index: usize) -> String {
    let op = node.op_type();
    match node.name() {
        "" => format!("node {index} ({op})"),
        name => format!("node `{}` ({op})", name.chars().take(80).collect::<String>()),
    }
}

/// Positions of the nodes in an order in which each node comes after the nodes that it reads.
pub(super) fn order(graph: &GraphProto) -> Result<Vec<usize>, Flaw> {
    let whole = || "the graph".to_owned();
    if graph.node.len() > MOST_NODES {
        return Err((whole(), format!("has {} nodes, of at most {MOST_NODES}", graph.node.len())));
    }
    if !graph.sparse_initializer.is_empty() {
        return Err((whole(), "has sparse constants, which no runtime here reads".to_owned()));
    }
    let makers = makers(graph)?;
    let mut readers: Vec<Vec<usize>> = vec![Vec::new(); graph.node.len()];
    let mut waiting: Vec<usize> = vec![0; graph.node.len()];
    for (index, node) in graph.node.iter().enumerate() {
        if node.attribute.iter().any(|a| a.g.is_some() || !a.graphs.is_empty()) {
            let what = "holds a graph of its own, which runs as often as its numbers say; \
                        simplify the file (with onnxslim, for example), or export it without";
            return Err((title(node, index), what.to_owned()));
        }
        let attributes: BTreeSet<&str> = node.attribute.iter().map(AttributeProto::name).collect();
        if attributes.len() < node.attribute.len() {
            return Err((title(node, index), "has an attribute twice".to_owned()));
        }
        if node.output.len() > MOST_OUTPUTS {
            return Err((
                title(node, index),
                format!("has {} outputs, of at most {MOST_OUTPUTS}", node.output.len()),
            ));
        }
        for name in node.input.iter().filter(|name| !name.is_empty()) {
            match makers.get(name.as_str()) {
                None => return Err((title(node, index), format!("reads `{name}`, which nothing makes"))),
                Some(None) => {}
                Some(Some(maker)) => {
                    readers[*maker].push(index);
                    waiting[index] += 1;
                }
            }
        }
    }
    if let Some(output) = graph.output.iter().find(|output| !makers.contains_key(output.name())) {
        return Err((format!("output `{}`", output.name()), "is made by nothing".to_owned()));
    }
    let mut ready: BinaryHeap<Reverse<usize>> =
        (0..waiting.len()).filter(|index| waiting[*index] == 0).map(Reverse).collect();
    let mut depth = vec![1usize; waiting.len()];
    let mut order = Vec::with_capacity(waiting.len());
    while let Some(Reverse(index)) = ready.pop() {
        if depth[index] > LONGEST_CHAIN {
            return Err((
                title(&graph.node[index], index),
                format!("is at the end of a chain of more than {LONGEST_CHAIN} nodes"),
            ));
        }
        order.push(index);
        for reader in &readers[index] {
            depth[*reader] = depth[*reader].max(depth[index] + 1);
            waiting[*reader] -= 1;
            if waiting[*reader] == 0 {
                ready.push(Reverse(*reader));
            }
        }
    }
    match (0..waiting.len()).find(|index| waiting[*index] > 0) {
        Some(index) => {
            Err((title(&graph.node[index], index), "reads what is made of its own output".to_owned()))
        }
        None => Ok(order),
    }
}

/// For each value, the node that computes it; `None` for inputs and constants.
fn makers(graph: &GraphProto) -> Result<HashMap<&str, Option<usize>>, Flaw> {
    let mut makers = HashMap::new();
    let twice = |name: &str| (format!("`{name}`"), "is made twice".to_owned());
    for constant in &graph.initializer {
        if makers.insert(constant.name(), None).is_some() {
            return Err(twice(constant.name()));
        }
    }
    // Older files list their constants among the inputs too.
    makers.extend(graph.input.iter().map(|input| (input.name(), None)));
    for (index, node) in graph.node.iter().enumerate() {
        for name in node.output.iter().filter(|name| !name.is_empty()) {
            if makers.insert(name, Some(index)).is_some() {
                return Err(twice(name));
            }
        }
    }
    Ok(makers)
}
