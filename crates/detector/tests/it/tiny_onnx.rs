//! [`Tiny`]: ONNX files of a few nodes whose results can be computed by hand.
//!
//! One convolution, 8 pixels wide with stride 8: each of its channels is a constant plus a multiple of the
//! cell's brightness. Reshaped, and transposed for layouts with a row per anchor, this is the output of a
//! detector.

use std::path::{Path, PathBuf};

use bonsai_graph::Size;
use bonsai_onnx::proto::tensor_proto::DataType;
use bonsai_onnx::proto::tensor_shape_proto::{Dimension, dimension};
use bonsai_onnx::proto::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, StringStringEntryProto,
    TensorProto, TensorShapeProto, ValueInfoProto, attribute_proto, type_proto,
};
use bonsai_onnx::proto::{TypeProto, type_proto::Tensor};
use prost::Message;

/// Pixels per cell.
pub(crate) const CELL: usize = 8;

/// The description of a file.
#[derive(Clone)]
pub(crate) struct Tiny {
    /// For each channel of the output: a constant, and the value that a white cell adds.
    pub(crate) columns: Vec<(f32, f32)>,
    /// Whether the output is `[n, anchors, columns]`, not `[n, columns, anchors]`.
    pub(crate) rows: bool,
    /// Whether input and output are `f16`.
    pub(crate) half: bool,
    /// Number of images in a run; `None` for any number.
    pub(crate) batch: Option<usize>,
    /// Height and width; `None` for any size.
    pub(crate) size: Option<Size>,
    /// Name of the output.
    pub(crate) output: &'static str,
    /// Whether the file stores the output's shape.
    pub(crate) shaped: bool,
    /// Metadata entries.
    pub(crate) metadata: Vec<(&'static str, &'static str)>,
}

impl Tiny {
    /// Two classes in Ultralytics' layout, 16 x 16 pixels: a box of 4 x 2 at (6, 5). The score of the first
    /// class is the brightness of the cell, that of the second class half of it.
    pub(crate) fn planes() -> Self {
        Self {
            columns: vec![(6.0, 0.0), (5.0, 0.0), (4.0, 0.0), (2.0, 0.0), (0.0, 1.0), (0.0, 0.5)],
            rows: false,
            half: false,
            batch: Some(1),
            size: Some(Size::square(16)),
            output: "output0",
            shaped: true,
            metadata: vec![
                ("task", "detect"),
                ("stride", "8"),
                ("batch", "1"),
                ("imgsz", "[16, 16]"),
                ("names", "{0: 'cat', 1: 'dog'}"),
            ],
        }
    }

    /// As [`planes`](Self::planes) in rows, with an objectness of one half.
    pub(crate) fn rows() -> Self {
        let mut tiny = Self { rows: true, output: "outputs", ..Self::planes() };
        tiny.columns.insert(4, (0.5, 0.0));
        tiny
    }

    /// The same box as a detection of the second class, for each cell.
    pub(crate) fn detections() -> Self {
        let columns = vec![(4.0, 0.0), (4.0, 0.0), (8.0, 0.0), (6.0, 0.0), (0.0, 1.0), (1.0, 0.0)];
        let mut tiny = Self { columns, rows: true, ..Self::planes() };
        tiny.metadata.push(("end2end", "True"));
        tiny
    }

    /// Sets a metadata entry to another value, or removes it.
    pub(crate) fn with(mut self, key: &'static str, value: Option<&'static str>) -> Self {
        self.metadata.retain(|(k, _)| *k != key);
        self.metadata.extend(value.map(|value| (key, value)));
        self
    }

    /// Writes the file into a folder.
    pub(crate) fn save(&self, folder: &Path) -> PathBuf {
        let path = folder.join("tiny.onnx");
        std::fs::write(&path, self.model().encode_to_vec()).unwrap();
        path
    }

    /// The protobuf message of the file.
    pub(crate) fn model(&self) -> ModelProto {
        let columns = self.columns.len();
        let pixels = 3 * CELL * CELL;
        let weights =
            self.columns.iter().flat_map(|(_, white)| vec![white / pixels as f32; pixels]).collect();
        let biases = self.columns.iter().map(|(number, _)| *number).collect();
        let mut nodes = Vec::new();
        let mut last = "images";
        if self.half {
            nodes.push(node("Cast", &[last], "pixels", vec![int("to", DataType::Float as i64)]));
            last = "pixels";
        }
        let side = CELL as i64;
        let window = vec![ints("kernel_shape", &[side; 2]), ints("strides", &[side; 2])];
        nodes.push(node("Conv", &[last, "weights", "biases"], "cells", window));
        nodes.push(node("Reshape", &["cells", "shape"], "planes", Vec::new()));
        last = "planes";
        if self.rows {
            nodes.push(node("Transpose", &[last], "rows", vec![ints("perm", &[0, 2, 1])]));
            last = "rows";
        }
        if self.half {
            nodes.push(node("Cast", &[last], "halves", vec![int("to", DataType::Float16 as i64)]));
            last = "halves";
        }
        nodes.push(node("Identity", &[last], self.output, Vec::new()));
        let cells = self.size.map(|size| (size.height / CELL) * (size.width / CELL));
        let (h, w) = self.size.map(|size| (size.height, size.width)).unzip();
        let element = if self.half { DataType::Float16 } else { DataType::Float };
        let sides = if self.rows { [cells, Some(columns)] } else { [Some(columns), cells] };
        let dims = [self.batch, sides[0], sides[1]];
        let graph = GraphProto {
            node: nodes,
            name: Some("tiny".to_owned()),
            initializer: vec![
                floats("weights", &[columns, 3, CELL, CELL], weights),
                floats("biases", &[columns], biases),
                TensorProto {
                    dims: vec![3],
                    data_type: Some(DataType::Int64 as i32),
                    int64_data: vec![0, columns as i64, -1],
                    name: Some("shape".to_owned()),
                    ..TensorProto::default()
                },
            ],
            input: vec![value("images", element, Some(&[self.batch, Some(3), h, w]))],
            output: vec![value(self.output, element, self.shaped.then_some(&dims[..]))],
            ..GraphProto::default()
        };
        let entry = |(key, value): &(&str, &str)| StringStringEntryProto {
            key: Some((*key).to_owned()),
            value: Some((*value).to_owned()),
        };
        ModelProto {
            ir_version: Some(7),
            opset_import: vec![OperatorSetIdProto { domain: Some(String::new()), version: Some(13) }],
            producer_name: Some("test".to_owned()),
            graph: Some(graph),
            metadata_props: self.metadata.iter().map(entry).collect(),
            ..ModelProto::default()
        }
    }
}

pub(crate) fn node(op: &str, inputs: &[&str], output: &str, attribute: Vec<AttributeProto>) -> NodeProto {
    NodeProto {
        input: inputs.iter().map(|input| (*input).to_owned()).collect(),
        output: vec![output.to_owned()],
        name: Some(format!("{output}.node")),
        op_type: Some(op.to_owned()),
        attribute,
        ..NodeProto::default()
    }
}

pub(crate) fn int(name: &str, value: i64) -> AttributeProto {
    AttributeProto {
        name: Some(name.to_owned()),
        r#type: Some(attribute_proto::AttributeType::Int as i32),
        i: Some(value),
        ..AttributeProto::default()
    }
}

pub(crate) fn ints(name: &str, values: &[i64]) -> AttributeProto {
    AttributeProto {
        name: Some(name.to_owned()),
        r#type: Some(attribute_proto::AttributeType::Ints as i32),
        ints: values.to_vec(),
        ..AttributeProto::default()
    }
}

pub(crate) fn floats(name: &str, dims: &[usize], values: Vec<f32>) -> TensorProto {
    TensorProto {
        dims: dims.iter().map(|side| *side as i64).collect(),
        data_type: Some(DataType::Float as i32),
        float_data: values,
        name: Some(name.to_owned()),
        ..TensorProto::default()
    }
}

fn value(name: &str, element: DataType, dims: Option<&[Option<usize>]>) -> ValueInfoProto {
    let dim = |(axis, size): (usize, &Option<usize>)| Dimension {
        value: Some(match size {
            Some(size) => dimension::Value::DimValue(*size as i64),
            None => dimension::Value::DimParam(format!("{name}_{axis}")),
        }),
        ..Dimension::default()
    };
    let shape = dims.map(|dims| TensorShapeProto { dim: dims.iter().enumerate().map(dim).collect() });
    let tensor = Tensor { elem_type: Some(element as i32), shape };
    let kind = TypeProto { value: Some(type_proto::Value::TensorType(tensor)), ..TypeProto::default() };
    ValueInfoProto { name: Some(name.to_owned()), r#type: Some(kind), ..ValueInfoProto::default() }
}
