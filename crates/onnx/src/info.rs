//! [`OnnxInfo`]: inputs, outputs and metadata of a file, read without running it.
//!
//! Files may come from any program. The bytes are not trusted: for any bytes, the result is a value or an
//! error.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use bonsai_graph::Size;
use prost::Message;

use crate::OnnxError;
use crate::dim::Dim;
use crate::literal::{read_names, read_size};
use crate::metadata::{IMGSZ, NAMES, STRIDE};
use crate::proto::tensor_proto::DataType;
use crate::proto::tensor_shape_proto::{Dimension, dimension};
use crate::proto::{GraphProto, ModelProto, ValueInfoProto, type_proto};

/// An input or output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorInfo {
    /// Its name.
    pub name: String,
    /// Element type by ONNX's name: `FLOAT`, `FLOAT16`, `INT64`; `UNDEFINED` if it is not a tensor.
    pub element: &'static str,
    /// Its dimensions, outermost first.
    pub dims: Vec<Dim>,
}

/// Summary of an ONNX file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OnnxInfo {
    /// Version of the file format.
    pub ir_version: i64,
    /// Version of ONNX's own operator set.
    pub opset: i64,
    /// The program that wrote it, with its version; empty if the file does not name it.
    pub producer: String,
    /// Inputs, without those that share their name with a constant.
    pub inputs: Vec<TensorInfo>,
    /// Outputs.
    pub outputs: Vec<TensorInfo>,
    /// Number of nodes.
    pub node_count: usize,
    /// Number of nodes of each kind.
    pub op_counts: BTreeMap<String, usize>,
    /// Number of constant tensors.
    pub constant_count: usize,
    /// Metadata entries, in order.
    pub metadata: Vec<(String, String)>,
    /// Names of the classes by index, from metadata `names`.
    pub class_names: Option<Vec<String>>,
    /// Height and width in pixels, from metadata `imgsz`.
    pub imgsz: Option<Size>,
    /// Largest stride in pixels per cell, from metadata `stride`.
    pub stride: Option<usize>,
}

impl OnnxInfo {
    /// Reads the bytes of a file.
    ///
    /// # Errors
    /// [`OnnxError::Decode`] if they are not an ONNX file or are cut off, [`OnnxError::Incomplete`] if a part
    /// is missing that every model has, [`OnnxError::Dimension`] or [`OnnxError::Metadata`] if one is not
    /// valid.
    pub fn read(bytes: &[u8]) -> Result<Self, OnnxError> {
        Self::from_model(&Self::message(bytes)?)
    }

    /// Decodes the message in the bytes of a file.
    ///
    /// # Errors
    /// [`OnnxError::Decode`].
    pub fn message(bytes: &[u8]) -> Result<ModelProto, OnnxError> {
        ModelProto::decode(bytes).map_err(|source| OnnxError::Decode { bytes: bytes.len(), source })
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`OnnxError::Read`] if it cannot be read, [`OnnxError::File`] around an error in its content.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, OnnxError> {
        let path = path.as_ref();
        let bytes =
            std::fs::read(path).map_err(|source| OnnxError::Read { path: path.to_owned(), source })?;
        let wrap = |source| OnnxError::File { path: path.to_owned(), source: Box::new(source) };
        Self::read(&bytes).map_err(wrap)
    }

    /// The metadata entry of this key.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.metadata.iter().find(|(k, _)| k == key).map(|(_, v)| v.as_str())
    }

    /// Reads the summary of a file's message.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn from_model(model: &ModelProto) -> Result<Self, OnnxError> {
        let incomplete = |what| OnnxError::Incomplete { what };
        let ir_version = model.ir_version.ok_or_else(|| incomplete("format version"))?;
        let graph = model.graph.as_ref().ok_or_else(|| incomplete("graph"))?;
        let own = |domain: &str| domain.is_empty() || domain == "ai.onnx";
        let opset = model.opset_import.iter().find(|o| own(o.domain()));
        let opset = opset.ok_or_else(|| incomplete("version of ONNX's operator set"))?.version();
        if graph.output.is_empty() {
            return Err(incomplete("output"));
        }
        let mut op_counts = BTreeMap::new();
        for node in &graph.node {
            *op_counts.entry(node.op_type().to_owned()).or_default() += 1;
        }
        let metadata: Vec<(String, String)> =
            model.metadata_props.iter().map(|e| (e.key().to_owned(), e.value().to_owned())).collect();
        let parse_stride = |text: &str| text.trim().parse().map_err(|_| "expected a whole number".to_owned());
        Ok(Self {
            ir_version,
            opset,
            producer: format!("{} {}", model.producer_name(), model.producer_version()).trim().to_owned(),
            inputs: inputs(graph)?,
            outputs: graph.output.iter().map(tensor_info).collect::<Result<_, _>>()?,
            node_count: graph.node.len(),
            op_counts,
            constant_count: graph.initializer.len(),
            class_names: parse(&metadata, NAMES, read_names)?,
            imgsz: parse(&metadata, IMGSZ, read_size)?,
            stride: parse(&metadata, STRIDE, parse_stride)?,
            metadata,
        })
    }
}

/// The inputs without constants, which older files list among the inputs.
fn inputs(graph: &GraphProto) -> Result<Vec<TensorInfo>, OnnxError> {
    let constant = |name: &str| graph.initializer.iter().any(|c| c.name() == name);
    graph.input.iter().filter(|i| !constant(i.name())).map(tensor_info).collect()
}

fn tensor_info(value: &ValueInfoProto) -> Result<TensorInfo, OnnxError> {
    let name = value.name().to_owned();
    let kind = value.r#type.as_ref().and_then(|t| t.value.as_ref());
    let Some(type_proto::Value::TensorType(tensor)) = kind else {
        return Ok(TensorInfo { name, element: DataType::Undefined.as_str_name(), dims: Vec::new() });
    };
    let dims = tensor.shape.iter().flat_map(|s| &s.dim).enumerate();
    let dim = |(axis, d): (usize, &Dimension)| match &d.value {
        Some(dimension::Value::DimValue(size)) => usize::try_from(*size)
            .map(Dim::Fixed)
            .map_err(|_| OnnxError::Dimension { tensor: name.clone(), axis, got: *size }),
        Some(dimension::Value::DimParam(symbol)) => Ok(Dim::Symbolic(symbol.clone())),
        None => Ok(Dim::Unknown),
    };
    let dims = dims.map(dim).collect::<Result<_, _>>()?;
    let element = DataType::try_from(tensor.elem_type()).unwrap_or(DataType::Undefined);
    Ok(TensorInfo { name, element: element.as_str_name(), dims })
}

/// The value of a metadata entry, if there is one.
fn parse<T>(
    metadata: &[(String, String)],
    key: &'static str,
    read: impl Fn(&str) -> Result<T, String>,
) -> Result<Option<T>, OnnxError> {
    let Some((_, value)) = metadata.iter().find(|(k, _)| k == key) else { return Ok(None) };
    let shortened = || value.chars().take(60).collect();
    read(value).map(Some).map_err(|reason| OnnxError::Metadata { key, value: shortened(), reason })
}

/// `images FLOAT [1, 3, 640, 640]`.
impl fmt::Display for TensorInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} [", self.name, self.element)?;
        for (i, dim) in self.dims.iter().enumerate() {
            write!(f, "{}{dim}", if i == 0 { "" } else { ", " })?;
        }
        f.write_str("]")
    }
}
