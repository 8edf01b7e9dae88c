//! Collects nodes, constants and shapes in the order in which they are written.
//!
//! A node can only be given values that exist, so the result is topologically sorted by construction,
//! and every value is made with its shape, so none is without one. Names are made unique here.

use std::collections::BTreeSet;

use crate::attribute::int;
use crate::name::node_name;
use crate::proto::tensor_proto::DataType;
use crate::proto::tensor_shape_proto::{Dimension, dimension};
use crate::proto::{
    AttributeProto, GraphProto, NodeProto, TensorProto, TensorShapeProto, TypeProto, ValueInfoProto,
    type_proto,
};

/// A value that nodes can read: its name and its dimensions.
#[derive(Debug, Clone)]
pub(crate) struct Value {
    name: String,
    dims: Vec<usize>,
}

impl Value {
    /// Stands for an optional input that is not given.
    pub(crate) const fn absent() -> Self {
        Self { name: String::new(), dims: Vec::new() }
    }

    /// Dimensions, outermost first.
    pub(crate) fn dims(&self) -> &[usize] {
        &self.dims
    }
}

/// A graph in the making.
#[derive(Debug)]
pub(crate) struct Writer {
    nodes: Vec<NodeProto>,
    constants: Vec<TensorProto>,
    values: Vec<ValueInfoProto>,
    input: ValueInfoProto,
    output_name: String,
    taken: BTreeSet<String>,
}

impl Writer {
    /// Begins a graph with one `f32` input; `output_name` is kept free for [`Writer::finish`].
    pub(crate) fn new(input_name: &str, dims: &[usize], output_name: &str) -> (Self, Value) {
        let input = Value { name: input_name.to_owned(), dims: dims.to_vec() };
        let writer = Self {
            nodes: Vec::new(),
            constants: Vec::new(),
            values: Vec::new(),
            input: value_info(&input),
            output_name: output_name.to_owned(),
            taken: BTreeSet::from([input_name.to_owned(), output_name.to_owned()]),
        };
        (writer, input)
    }

    /// Adds a node with one output of the given dimensions; `layer` is the dotted name of what it comes from.
    pub(crate) fn node(
        &mut self,
        layer: &str,
        op_type: &str,
        inputs: &[&Value],
        attributes: Vec<AttributeProto>,
        dims: &[usize],
    ) -> Value {
        let name = self.begin(layer, op_type, inputs, attributes);
        self.output(&name, 0, dims)
    }

    /// Cuts `input` along axis 1 into parts of the given sizes.
    pub(crate) fn split(&mut self, layer: &str, input: &Value, sizes: &[usize]) -> Vec<Value> {
        let sizes_input = self.ints(&format!("{layer}.sizes"), sizes);
        let name = self.begin(layer, "Split", &[input, &sizes_input], vec![int("axis", 1)]);
        let mut dims = input.dims.clone();
        let part = |(i, size): (usize, &usize)| {
            dims[1] = *size;
            self.output(&name, i, &dims)
        };
        sizes.iter().enumerate().map(part).collect()
    }

    /// Adds a constant of real numbers.
    pub(crate) fn floats(&mut self, name: &str, dims: &[usize], data: &[f32]) -> Value {
        let bytes = data.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.constant(name, DataType::Float, dims, bytes)
    }

    /// Adds a constant list of whole numbers.
    pub(crate) fn ints(&mut self, name: &str, data: &[usize]) -> Value {
        let bytes = data.iter().flat_map(|v| (*v as i64).to_le_bytes()).collect();
        self.constant(name, DataType::Int64, &[data.len()], bytes)
    }

    /// Ends the graph: `output`, which nothing reads, gets the output's name.
    pub(crate) fn finish(mut self, name: &str, output: &Value) -> GraphProto {
        for node in &mut self.nodes {
            for written in node.output.iter_mut().filter(|o| **o == output.name) {
                written.clone_from(&self.output_name);
            }
        }
        self.values.retain(|v| v.name() != output.name);
        let output = Value { name: self.output_name, dims: output.dims.clone() };
        GraphProto {
            name: Some(name.to_owned()),
            node: self.nodes,
            initializer: self.constants,
            input: vec![self.input],
            output: vec![value_info(&output)],
            value_info: self.values,
            ..GraphProto::default()
        }
    }

    /// Adds a node without outputs and returns its name.
    fn begin(
        &mut self,
        layer: &str,
        op_type: &str,
        inputs: &[&Value],
        attribute: Vec<AttributeProto>,
    ) -> String {
        let name = self.unique(&node_name(layer, op_type));
        self.nodes.push(NodeProto {
            name: Some(name.clone()),
            op_type: Some(op_type.to_owned()),
            input: inputs.iter().map(|v| v.name.clone()).collect(),
            attribute,
            ..NodeProto::default()
        });
        name
    }

    /// Adds output number `index` to the node just begun.
    fn output(&mut self, node: &str, index: usize, dims: &[usize]) -> Value {
        let value = Value { name: self.unique(&format!("{node}_output_{index}")), dims: dims.to_vec() };
        self.values.push(value_info(&value));
        if let Some(node) = self.nodes.last_mut() {
            node.output.push(value.name.clone());
        }
        value
    }

    fn constant(&mut self, name: &str, kind: DataType, dims: &[usize], bytes: Vec<u8>) -> Value {
        let name = self.unique(name);
        self.constants.push(TensorProto {
            name: Some(name.clone()),
            data_type: Some(kind.into()),
            dims: dims.iter().map(|d| *d as i64).collect(),
            raw_data: Some(bytes),
            ..TensorProto::default()
        });
        Value { name, dims: dims.to_vec() }
    }

    /// `wanted`, or that with a number behind it if it is taken.
    fn unique(&mut self, wanted: &str) -> String {
        let mut name = wanted.to_owned();
        let mut number = 0;
        while !self.taken.insert(name.clone()) {
            number += 1;
            name = format!("{wanted}_{number}");
        }
        name
    }
}

/// Name, element type and dimensions of a value.
fn value_info(value: &Value) -> ValueInfoProto {
    let dimension =
        |d: &usize| Dimension { value: Some(dimension::Value::DimValue(*d as i64)), ..Dimension::default() };
    let shape = TensorShapeProto { dim: value.dims.iter().map(dimension).collect() };
    let tensor = type_proto::Tensor { elem_type: Some(DataType::Float.into()), shape: Some(shape) };
    ValueInfoProto {
        name: Some(value.name.clone()),
        r#type: Some(TypeProto {
            value: Some(type_proto::Value::TensorType(tensor)),
            ..TypeProto::default()
        }),
        ..ValueInfoProto::default()
    }
}
