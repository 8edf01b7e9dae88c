//! [`OnnxSource`]: facts about an ONNX file that decide whether and how TensorRT builds an engine.
//!
//! Files may come from any program; for any bytes, the result is a value or an error.

use std::collections::{BTreeSet, HashSet};
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use prost::Message;

mod element;
mod wire;

pub use element::Element;

use element::{declared, elements};
use wire::{Graph, Model, Node, Tensor, Value};

use crate::EnginePrecision;

/// `TensorProto.DataLocation.EXTERNAL`.
const EXTERNAL: i32 = 1;

/// Reasons why a file is not an ONNX file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OnnxFileError {
    /// The file does not exist or cannot be read.
    #[error("cannot read the ONNX file {path:?}: {why}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        why: io::Error,
    },
    /// The bytes are not an ONNX file, or are cut off.
    #[error("not an ONNX file, or cut off ({bytes} bytes): {why}")]
    Decode {
        /// Number of bytes.
        bytes: usize,
        /// The decoder's reason.
        why: prost::DecodeError,
    },
    /// The bytes are protobuf, but lack a part that every ONNX file has.
    #[error("not an ONNX file: it has no {what}")]
    Incomplete {
        /// The missing part.
        what: &'static str,
    },
}

/// An input or output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnnxTensor {
    /// Its name.
    pub name: String,
    /// Element type, if declared.
    pub element: Option<Element>,
    /// Its dimensions, outermost first; `None` for a size that is chosen when the network runs.
    pub dims: Vec<Option<usize>>,
}

/// A layer whose input and weights differ in type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MixedLayer {
    /// Name of the node.
    pub node: String,
    /// Type of its input.
    pub input: Element,
    /// Type of its weights.
    pub weights: Element,
}

/// An operator that is not part of ONNX.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignOperator {
    /// Name of the node.
    pub node: String,
    /// The operator.
    pub op: String,
    /// The domain of the operator.
    pub domain: String,
}

/// Summary of an ONNX file for a builder of engines.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OnnxSource {
    /// Version of ONNX's operator set, if given.
    pub opset: Option<i64>,
    /// Arithmetic of the file: `Int8` if it has quantise and dequantise nodes, `Fp16` if most layers with
    /// weights have fp16 ones, `Fp32` otherwise.
    pub precision: EnginePrecision,
    /// Inputs, without those that share their name with a constant.
    pub inputs: Vec<OnnxTensor>,
    /// Outputs.
    pub outputs: Vec<OnnxTensor>,
    /// Number of nodes.
    pub nodes: usize,
    /// Operators of ONNX's own set that occur.
    pub operators: BTreeSet<String>,
    /// Layers whose input and weights differ in type.
    pub mixed: Vec<MixedLayer>,
    /// Operators that are not part of ONNX.
    pub foreign: Vec<ForeignOperator>,
    /// Values that are used but never made; the first name of each pair is the node that uses the value.
    pub undefined: Vec<(String, String)>,
    /// Files next to this one that contain weights.
    pub external: Vec<String>,
}

impl OnnxSource {
    /// Reads the bytes of a file.
    ///
    /// # Errors
    ///
    /// [`OnnxFileError`] if they are not an ONNX file or are cut off.
    pub fn read(bytes: &[u8]) -> Result<Self, OnnxFileError> {
        let model = Model::decode(bytes).map_err(|why| OnnxFileError::Decode { bytes: bytes.len(), why })?;
        let incomplete = |what| OnnxFileError::Incomplete { what };
        model.ir_version.ok_or_else(|| incomplete("format version"))?;
        let graph = model.graph.as_ref().ok_or_else(|| incomplete("graph"))?;
        let own = |domain: Option<&str>| matches!(domain, None | Some("" | "ai.onnx"));
        let opset = model.opset_import.iter().find(|set| own(set.domain.as_deref()));
        Ok(Self { opset: opset.and_then(|set| set.version), ..summarise(graph) })
    }

    /// Reads a file.
    ///
    /// # Errors
    ///
    /// As [`OnnxSource::read`], and if the file cannot be read.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, OnnxFileError> {
        let path = path.as_ref();
        let bytes = fs::read(path).map_err(|why| OnnxFileError::Unreadable { path: path.to_owned(), why })?;
        Self::read(&bytes)
    }
}

fn summarise(graph: &Graph) -> OnnxSource {
    let known = elements(graph);
    let mut mixed = Vec::new();
    let mut foreign = Vec::new();
    let mut halves = 0_usize;
    let mut wholes = 0_usize;
    let mut quantised = false;
    for (index, node) in graph.node.iter().enumerate() {
        let op = node.op_type.as_deref().unwrap_or_default();
        if !is_standard(node) {
            let domain = node.domain.clone().unwrap_or_default();
            foreign.push(ForeignOperator { node: title(node, index), op: op.to_owned(), domain });
        }
        quantised |= matches!(op, "QuantizeLinear" | "DequantizeLinear");
        if matches!(op, "Conv" | "ConvTranspose" | "Gemm" | "MatMul") {
            let element =
                |index: usize| node.input.get(index).and_then(|name| known.get(name.as_str())).copied();
            let weights = element(1).filter(|e| e.is_float());
            halves += usize::from(weights == Some(Element::FLOAT16));
            wholes += usize::from(weights == Some(Element::FLOAT));
            if let (Some(input), Some(weights)) = (element(0).filter(|e| e.is_float()), weights)
                && input != weights
            {
                mixed.push(MixedLayer { node: title(node, index), input, weights });
            }
        }
    }
    let precision = if quantised {
        EnginePrecision::Int8
    } else if halves > wholes {
        EnginePrecision::Fp16
    } else {
        EnginePrecision::Fp32
    };
    OnnxSource {
        opset: None,
        precision,
        inputs: inputs(graph).map(tensor).collect(),
        outputs: graph.output.iter().map(tensor).collect(),
        nodes: graph.node.len(),
        operators: graph.node.iter().filter(|n| is_standard(n)).filter_map(|n| n.op_type.clone()).collect(),
        mixed,
        foreign,
        undefined: undefined(graph),
        external: external(graph),
    }
}

/// The inputs without constants, which older files list among the inputs.
fn inputs(graph: &Graph) -> impl Iterator<Item = &Value> {
    let constants: HashSet<Option<&str>> = graph.initializer.iter().map(|c| c.name.as_deref()).collect();
    graph.input.iter().filter(move |input| !constants.contains(&input.name.as_deref()))
}

fn tensor(value: &Value) -> OnnxTensor {
    let shape = value.r#type.as_ref().and_then(|t| t.tensor.as_ref()).and_then(|t| t.shape.as_ref());
    let dims = shape.iter().flat_map(|shape| &shape.dim);
    OnnxTensor {
        name: value.name.clone().unwrap_or_default(),
        element: declared(value),
        // Some exporters write -1 for an unknown size.
        dims: dims.map(|dim| dim.dim_value.and_then(|size| usize::try_from(size).ok())).collect(),
    }
}

/// Whether an operator belongs to ONNX's own set.
fn is_standard(node: &Node) -> bool {
    matches!(node.domain.as_deref(), None | Some("" | "ai.onnx"))
}

/// A node's name, or its index and operator.
fn title(node: &Node, index: usize) -> String {
    match node.name.as_deref() {
        Some(name) if !name.is_empty() => name.to_owned(),
        _ => format!("node {index} ({})", node.op_type.as_deref().unwrap_or("without an operator")),
    }
}

fn undefined(graph: &Graph) -> Vec<(String, String)> {
    let mut made: HashSet<&str> = graph.input.iter().filter_map(|value| value.name.as_deref()).collect();
    let sparse = graph.sparse_initializer.iter().filter_map(|tensor| tensor.values.as_ref());
    made.extend(graph.initializer.iter().chain(sparse).filter_map(|tensor| tensor.name.as_deref()));
    made.extend(graph.node.iter().flat_map(|node| &node.output).map(String::as_str));
    let of_nodes = graph.node.iter().enumerate().flat_map(|(index, node)| {
        // An empty name is an optional input that is absent.
        let used = node.input.iter().filter(|name| !name.is_empty());
        used.map(move |name| (title(node, index), name.as_str()))
    });
    let of_graph =
        graph.output.iter().filter_map(|value| value.name.as_deref()).map(|n| ("the graph".to_owned(), n));
    of_nodes
        .chain(of_graph)
        .filter(|(_, name)| !made.contains(name))
        .map(|(node, name)| (node, name.to_owned()))
        .collect()
}

fn external(graph: &Graph) -> Vec<String> {
    let outside = |tensor: &&Tensor| tensor.data_location == Some(EXTERNAL);
    let mut files: Vec<String> = graph
        .initializer
        .iter()
        .filter(outside)
        .flat_map(|tensor| &tensor.external_data)
        .filter(|entry| entry.key.as_deref() == Some("location"))
        .filter_map(|entry| entry.value.clone())
        .collect();
    files.sort();
    files.dedup();
    files
}

/// `images FLOAT [?, 3, 640, 640]`.
impl fmt::Display for OnnxTensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if let Some(element) = self.element {
            write!(f, " {element}")?;
        }
        let dims = self.dims.iter().map(|dim| dim.map_or_else(|| "?".to_owned(), |size| size.to_string()));
        write!(f, " [{}]", dims.collect::<Vec<_>>().join(", "))
    }
}
