//! [`Part`]: a piece of a file that is cut at its suppressions.
//!
//! The cut is for a runtime whose own `NonMaxSuppression` differs from the standard.
//!
//! The nodes before the first suppression form one network, the nodes that read its result another, and so
//! on. Values that cross a cut become outputs of one part and inputs of the next. Constants go to every
//! network that reads them.

use std::collections::{BTreeSet, HashMap};

use prost::Message;

use crate::footprint::{OnnxProgram, is_constant, is_standard};
use crate::proto::{GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto};

/// Most suppressions in a chain, each of which reads the result of the one before.
const MOST_IN_A_ROW: usize = 8;

/// A part of a file; it reads the inputs of the file and the outputs of earlier parts.
#[derive(Debug, Clone, PartialEq)]
pub enum Part {
    /// Nodes without a suppression, as a file of its own.
    Network {
        /// Its bytes.
        bytes: Vec<u8>,
        /// Names of its inputs.
        inputs: Vec<String>,
        /// Names of its outputs that other parts or the caller read.
        outputs: Vec<String>,
    },
    /// A suppression node.
    Suppression(Suppression),
}

/// A node `NonMaxSuppression`.
#[derive(Debug, Clone, PartialEq)]
pub struct Suppression {
    /// Name of the boxes `[n, boxes, 4]`.
    pub boxes: String,
    /// Name of the scores `[n, classes, boxes]`.
    pub scores: String,
    /// Most boxes per image and class; no boxes if absent.
    pub limit: Given,
    /// Overlap from which a box is dropped; 0 if absent.
    pub iou: Given,
    /// A score must be above it; every score is if absent.
    pub score: Given,
    /// Whether boxes are given as centre and size, rather than as two corners.
    pub centres: bool,
    /// Name of the output: rows of image, class and box.
    pub output: String,
}

/// A number that a suppression reads.
#[derive(Debug, Clone, PartialEq)]
pub enum Given {
    /// The input is absent.
    Absent,
    /// A constant of the file.
    Number(f64),
    /// The value with this name.
    Value(String),
}

impl OnnxProgram {
    /// The parts of the file, in the order in which they run; a single one if it has no suppression.
    ///
    /// # Errors
    /// A text that says why the file cannot be cut.
    pub fn parts(&self) -> Result<Vec<Part>, String> {
        let model = self.proto();
        let Some(graph) = &model.graph else { return Ok(Vec::new()) };
        let constants: BTreeSet<&str> = graph
            .node
            .iter()
            .filter(|node| is_constant(node))
            .flat_map(|n| &n.output)
            .map(String::as_str)
            .collect();
        // Number of suppressions that each value depends on, along the longest chain.
        let mut level: HashMap<&str, usize> = HashMap::new();
        let mut networks: Vec<Vec<&NodeProto>> = vec![Vec::new()];
        let mut suppressions: Vec<Vec<&NodeProto>> = vec![Vec::new()];
        for node in graph.node.iter().filter(|node| !is_constant(node)) {
            let at =
                node.input.iter().filter_map(|name| level.get(name.as_str())).max().copied().unwrap_or(0);
            if at >= MOST_IN_A_ROW {
                return Err(format!("more than {MOST_IN_A_ROW} suppressions form a chain"));
            }
            networks.resize(networks.len().max(at + 1), Vec::new());
            suppressions.resize(suppressions.len().max(at + 1), Vec::new());
            let made = if is_suppression(node) {
                suppressions[at].push(node);
                at + 1
            } else {
                networks[at].push(node);
                at
            };
            level.extend(node.output.iter().map(|name| (name.as_str(), made)));
        }
        let mut parts = Vec::new();
        let results: Vec<&str> = graph.output.iter().map(ValueInfoProto::name).collect();
        for (at, nodes) in networks.iter().enumerate() {
            let later = networks[at + 1..].iter().chain(&suppressions[at..]).flatten();
            let read: BTreeSet<&str> = later
                .flat_map(|node| &node.input)
                .map(String::as_str)
                .chain(results.iter().copied())
                .collect();
            if nodes.iter().flat_map(|node| &node.output).any(|name| read.contains(name.as_str())) {
                parts.push(network(model, graph, nodes, &read, &constants));
            }
            for node in suppressions.get(at).into_iter().flatten() {
                parts.push(Part::Suppression(self.suppression(node)?));
            }
        }
        Ok(parts)
    }

    fn suppression(&self, node: &NodeProto) -> Result<Suppression, String> {
        let name = |index: usize| node.input.get(index).map(String::as_str).unwrap_or_default();
        let tensor = |index: usize| -> Result<String, String> {
            let name = name(index);
            if name.is_empty() || self.has_constant(name) {
                return Err(format!(
                    "suppression `{}` reads a constant instead of boxes or scores",
                    node.name()
                ));
            }
            Ok(name.to_owned())
        };
        let given = |index: usize| match name(index) {
            "" => Ok(Given::Absent),
            name if !self.has_constant(name) => Ok(Given::Value(name.to_owned())),
            name => self.number(name).map(Given::Number).ok_or_else(|| {
                format!("suppression `{}` reads `{name}`, which is not one number", node.name())
            }),
        };
        Ok(Suppression {
            boxes: tensor(0)?,
            scores: tensor(1)?,
            limit: given(2)?,
            iou: given(3)?,
            score: given(4)?,
            centres: node.attribute.iter().any(|a| a.name() == "center_point_box" && a.i() == 1),
            output: node.output.first().cloned().unwrap_or_default(),
        })
    }
}

/// Whether a node is a suppression.
fn is_suppression(node: &NodeProto) -> bool {
    node.op_type() == "NonMaxSuppression" && is_standard(node.domain())
}

/// Some nodes of a file as a file of their own.
fn network(
    model: &ModelProto,
    graph: &GraphProto,
    nodes: &[&NodeProto],
    read: &BTreeSet<&str>,
    constants: &BTreeSet<&str>,
) -> Part {
    let needed: BTreeSet<&str> = nodes
        .iter()
        .flat_map(|node| &node.input)
        .map(String::as_str)
        .filter(|name| !name.is_empty())
        .collect();
    let made: BTreeSet<&str> = nodes.iter().flat_map(|node| &node.output).map(String::as_str).collect();
    let initializer: Vec<_> =
        graph.initializer.iter().filter(|constant| needed.contains(constant.name())).cloned().collect();
    let stored: BTreeSet<&str> = initializer.iter().map(TensorProto::name).collect();
    // Each constant node is taken once, although it may have several outputs.
    let own = graph
        .node
        .iter()
        .filter(|node| is_constant(node) && node.output.iter().any(|name| needed.contains(name.as_str())));
    let inputs: Vec<String> = needed
        .iter()
        .filter(|name| !made.contains(*name) && !stored.contains(*name) && !constants.contains(*name))
        .map(|name| (*name).to_owned())
        .collect();
    let outputs: Vec<String> =
        made.iter().filter(|name| read.contains(*name)).map(|name| (*name).to_owned()).collect();
    let described = |name: &String| {
        let known = graph.input.iter().find(|value| value.name() == name);
        known
            .cloned()
            .unwrap_or_else(|| ValueInfoProto { name: Some(name.clone()), ..ValueInfoProto::default() })
    };
    let part = GraphProto {
        name: graph.name.clone(),
        node: own.chain(nodes.iter().copied()).cloned().collect(),
        input: inputs.iter().map(described).collect(),
        // The file's descriptions of intermediate values are dropped, because they were not checked.
        output: outputs.iter().map(described).collect(),
        initializer,
        ..GraphProto::default()
    };
    let part = ModelProto {
        ir_version: model.ir_version,
        opset_import: model.opset_import.clone(),
        graph: Some(part),
        ..ModelProto::default()
    };
    Part::Network { bytes: part.encode_to_vec(), inputs, outputs }
}
