//! [`GraphFile`] and [`ModelFile`]: the versioned serialised form, which refers to wires by name and is
//! checked when read.
//!
//! These types are separate from the in-memory types so that the latter can change without changing the
//! format. [`Graph`] and [`ModelSpec`] are read and written through them.

use std::collections::HashMap;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use crate::{DetectHead, Graph, GraphBuilder, GraphError, ModelSpec, NodeId, Op};

/// Version of this format. It is raised when an old reader would misread a new file.
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct GraphFile {
    nodes: Vec<NodeFile>,
    outputs: Vec<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(try_from = "UncheckedNode")]
struct NodeFile {
    name: String,
    layer: Op,
    inputs: Vec<String>,
}

/// A layer whose fields are not yet checked against the fields of its kind.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UncheckedNode {
    name: String,
    layer: Map<String, Value>,
    inputs: Vec<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ModelFile {
    // The version comes first and is checked at once: this program may not understand the rest of a newer
    // file.
    #[serde(deserialize_with = "known_version")]
    version: u32,
    graph: Graph,
    head: DetectHead,
    class_names: Vec<String>,
}

impl TryFrom<UncheckedNode> for NodeFile {
    type Error = String;

    fn try_from(node: UncheckedNode) -> Result<Self, String> {
        let UncheckedNode { name, layer, inputs } = node;
        let known = |op: Op| {
            // Derived code ignores extra fields of a kind without fields (`silu`), so the keys are compared
            // here.
            let written = serde_json::to_value(op)?;
            // Readers accept `groups` of 1, although it is never written.
            let has = |key: &str| {
                written.get(key).is_some() || (key == "groups" && matches!(op, Op::Conv2d { .. }))
            };
            match layer.keys().find(|key| !has(key)) {
                Some(key) => Err(serde_json::Error::custom(format!("unknown field `{key}`"))),
                None => Ok(op),
            }
        };
        let layer = serde_json::from_value(Value::Object(layer.clone())).and_then(known);
        Ok(Self { layer: layer.map_err(|e| format!("layer `{name}`: {e}"))?, name, inputs })
    }
}

fn known_version<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    match u32::deserialize(deserializer)? {
        VERSION => Ok(VERSION),
        got => Err(D::Error::custom(GraphError::Version { got, expected: VERSION })),
    }
}

impl Serialize for Graph {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        GraphFile::from(self).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Graph {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::try_from(GraphFile::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

impl Serialize for ModelSpec {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        ModelFile::from(self.clone()).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for ModelSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::try_from(ModelFile::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

impl From<&Graph> for GraphFile {
    fn from(graph: &Graph) -> Self {
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
        Self::new(file.graph, file.head, file.class_names)
    }
}
