//! The serialised form: versioned, with wires by name, checked when read.
//!
//! Kept apart from the in-memory types so that those stay free to change.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::{DetectHead, Graph, GraphBuilder, GraphError, ModelSpec, NodeId, Op};

/// Version of the format below; raised when an old reader would misread a new file.
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct GraphFile {
    nodes: Vec<NodeFile>,
    outputs: Vec<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct NodeFile {
    name: String,
    layer: Op,
    inputs: Vec<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ModelFile {
    version: u32,
    graph: Graph,
    head: DetectHead,
    class_names: Vec<String>,
}

impl From<Graph> for GraphFile {
    fn from(graph: Graph) -> Self {
        let names = |ids: &[NodeId]| ids.iter().map(|id| graph.node(*id).name.clone()).collect();
        let node = |n: &crate::Node| NodeFile { name: n.name.clone(), layer: n.op, inputs: names(&n.inputs) };
        Self { nodes: graph.nodes.iter().map(node).collect(), outputs: names(&graph.outputs) }
    }
}

impl TryFrom<GraphFile> for Graph {
    type Error = GraphError;

    fn try_from(file: GraphFile) -> Result<Self, GraphError> {
        let mut ids: HashMap<String, NodeId> = HashMap::new();
        let mut builder = GraphBuilder::new();
        let resolve = |ids: &HashMap<String, NodeId>, node: &str, inputs: &[String]| {
            let find = |input: &String| {
                ids.get(input)
                    .copied()
                    .ok_or_else(|| GraphError::UnknownInput { node: node.to_owned(), input: input.clone() })
            };
            inputs.iter().map(find).collect::<Result<Vec<_>, _>>()
        };
        for node in file.nodes {
            let inputs = resolve(&ids, &node.name, &node.inputs)?;
            let id = builder.push(&node.name, node.layer, &inputs)?;
            ids.insert(node.name, id);
        }
        builder.finish(&resolve(&ids, "outputs", &file.outputs)?)
    }
}

impl From<ModelSpec> for ModelFile {
    fn from(m: ModelSpec) -> Self {
        Self { version: VERSION, graph: m.graph, head: m.head, class_names: m.class_names }
    }
}

impl TryFrom<ModelFile> for ModelSpec {
    type Error = GraphError;

    fn try_from(file: ModelFile) -> Result<Self, GraphError> {
        if file.version != VERSION {
            return Err(GraphError::Version { got: file.version, expected: VERSION });
        }
        Self::new(file.graph, file.head, file.class_names)
    }
}
