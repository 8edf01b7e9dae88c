//! [`Writer`]: collects nodes, constants and shapes in the order in which they are written.
//!
//! A node can only be given existing values, so the result is topologically sorted by construction. Every
//! value is made with its type and shape. The writer makes names unique.

use std::collections::BTreeSet;

use crate::attribute::{int, ints};
use crate::dim::Dim;
use crate::element::Element;
use crate::name::node_name;
use crate::proto::tensor_shape_proto::{Dimension, dimension};
use crate::proto::{
    AttributeProto, GraphProto, NodeProto, TensorProto, TensorShapeProto, TypeProto, ValueInfoProto,
    type_proto,
};

/// A value that nodes can read: its name, the type of its elements and its dimensions.
#[derive(Debug, Clone)]
pub(crate) struct Value {
    name: String,
    element: Element,
    dims: Vec<Dim>,
}

impl Value {
    /// The value for an optional input that is absent.
    pub(crate) const fn absent() -> Self {
        Self { name: String::new(), element: Element::F32, dims: Vec::new() }
    }

    /// Dimensions, outermost first.
    pub(crate) fn dims(&self) -> &[Dim] {
        &self.dims
    }
}

/// A graph that is being written.
#[derive(Debug)]
pub(crate) struct Writer {
    opset: u32,
    nodes: Vec<NodeProto>,
    constants: Vec<TensorProto>,
    values: Vec<ValueInfoProto>,
    input: ValueInfoProto,
    output_name: String,
    taken: BTreeSet<String>,
}

impl Writer {
    /// Begins a graph with one input; `output_name` is kept free for [`Writer::finish`].
    pub(crate) fn new(
        opset: u32,
        input_name: &str,
        element: Element,
        dims: &[Dim],
        output_name: &str,
    ) -> (Self, Value) {
        let input = Value { name: input_name.to_owned(), element, dims: dims.to_vec() };
        let writer = Self {
            opset,
            nodes: Vec::new(),
            constants: Vec::new(),
            values: Vec::new(),
            input: value_info(&input),
            output_name: output_name.to_owned(),
            taken: BTreeSet::from([input_name.to_owned(), output_name.to_owned()]),
        };
        (writer, input)
    }

    /// The operator set of the file.
    pub(crate) const fn opset(&self) -> u32 {
        self.opset
    }

    /// Adds a node with one output, of the first input's type; `layer` is the dotted name of the layer that
    /// it comes from.
    pub(crate) fn node(
        &mut self,
        layer: &str,
        op_type: &str,
        inputs: &[&Value],
        attributes: Vec<AttributeProto>,
        dims: &[Dim],
    ) -> Value {
        let element = inputs.first().map_or(Element::F32, |v| v.element);
        self.typed(layer, op_type, inputs, attributes, (element, dims))
    }

    /// Adds a node with one output of this type and these dimensions.
    pub(crate) fn typed(
        &mut self,
        layer: &str,
        op_type: &str,
        inputs: &[&Value],
        attributes: Vec<AttributeProto>,
        (element, dims): (Element, &[Dim]),
    ) -> Value {
        let name = self.begin(layer, op_type, inputs, attributes);
        self.output(&name, 0, element, dims.to_vec())
    }

    /// Adds a node with several outputs, each with its own type and dimensions.
    pub(crate) fn several(
        &mut self,
        layer: &str,
        op_type: &str,
        inputs: &[&Value],
        attributes: Vec<AttributeProto>,
        outputs: Vec<(Element, Vec<Dim>)>,
    ) -> Vec<Value> {
        let name = self.begin(layer, op_type, inputs, attributes);
        let outputs = outputs.into_iter().enumerate();
        outputs.map(|(i, (element, dims))| self.output(&name, i, element, dims)).collect()
    }

    /// Cuts `input` along `axis` into parts of the given sizes.
    pub(crate) fn split(&mut self, layer: &str, input: &Value, axis: usize, sizes: &[usize]) -> Vec<Value> {
        let part = |size: &usize| {
            let mut dims = input.dims.clone();
            dims[axis] = (*size).into();
            (input.element, dims)
        };
        let outputs = sizes.iter().map(part).collect();
        let mut attributes = vec![int("axis", axis)];
        // Up to opset 12 the sizes are an attribute.
        if self.opset < 13 {
            attributes.push(ints("split", sizes));
            return self.several(layer, "Split", &[input], attributes, outputs);
        }
        let sizes: Vec<i64> = sizes.iter().map(|s| *s as i64).collect();
        let sizes = self.ints(&format!("{layer}.sizes"), &sizes);
        self.several(layer, "Split", &[input, &sizes], attributes, outputs)
    }

    /// Swaps two axes.
    pub(crate) fn swap(&mut self, layer: &str, value: &Value, a: usize, b: usize) -> Value {
        let mut order: Vec<usize> = (0..value.dims.len()).collect();
        let mut dims = value.dims.clone();
        order.swap(a, b);
        dims.swap(a, b);
        self.node(layer, "Transpose", &[value], vec![ints("perm", &order)], &dims)
    }

    /// Positive values that sum to 1 along `axis`.
    pub(crate) fn softmax(&mut self, layer: &str, value: &Value, axis: usize) -> Value {
        let last = value.dims.len() - 1;
        // Up to opset 12 softmax covers all axes from `axis` on, so only the last axis can stand alone.
        if self.opset >= 13 || axis == last {
            return self.node(layer, "Softmax", &[value], vec![int("axis", axis)], &value.dims);
        }
        let turned = self.swap(layer, value, axis, last);
        let shares = self.node(layer, "Softmax", &[&turned], vec![int("axis", last)], &turned.dims);
        self.swap(layer, &shares, axis, last)
    }

    /// The value converted to another type; the value itself if it has that type.
    pub(crate) fn cast(&mut self, layer: &str, value: &Value, element: Element) -> Value {
        if value.element == element {
            return value.clone();
        }
        let to = vec![int("to", i32::from(element.data_type()) as usize)];
        self.typed(layer, "Cast", &[value], to, (element, &value.dims))
    }

    /// The value with other dimensions. Unknown ones become `0` (copy from the input) on axis 0, else `-1`
    /// (inferred).
    pub(crate) fn reshape(&mut self, layer: &str, value: &Value, dims: &[Dim]) -> Value {
        let words: Vec<i64> =
            dims.iter().enumerate().map(|(axis, d)| d.or(if axis == 0 { 0 } else { -1 })).collect();
        let shape = self.ints(&format!("{layer}.shape"), &words);
        self.node(layer, "Reshape", &[value, &shape], Vec::new(), dims)
    }

    /// Adds a constant of real numbers, stored as `element`.
    pub(crate) fn floats(&mut self, name: &str, element: Element, dims: &[usize], data: &[f32]) -> Value {
        self.constant(name, element, dims, element.store(data))
    }

    /// Adds a constant list of integers.
    pub(crate) fn ints(&mut self, name: &str, data: &[i64]) -> Value {
        let bytes = data.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.constant(name, Element::I64, &[data.len()], bytes)
    }

    /// Adds one constant integer.
    pub(crate) fn int(&mut self, name: &str, value: i64) -> Value {
        self.constant(name, Element::I64, &[], value.to_le_bytes().to_vec())
    }

    /// Ends the graph: `output`, which no node reads, gets the output's name.
    pub(crate) fn finish(mut self, name: &str, output: &Value) -> GraphProto {
        for node in &mut self.nodes {
            for written in node.output.iter_mut().filter(|o| **o == output.name) {
                written.clone_from(&self.output_name);
            }
        }
        self.values.retain(|v| v.name() != output.name);
        let output = Value { name: self.output_name, ..output.clone() };
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
    fn output(&mut self, node: &str, index: usize, element: Element, dims: Vec<Dim>) -> Value {
        let value = Value { name: self.unique(&format!("{node}_output_{index}")), element, dims };
        self.values.push(value_info(&value));
        if let Some(node) = self.nodes.last_mut() {
            node.output.push(value.name.clone());
        }
        value
    }

    fn constant(&mut self, name: &str, element: Element, dims: &[usize], bytes: Vec<u8>) -> Value {
        let name = self.unique(name);
        self.constants.push(TensorProto {
            name: Some(name.clone()),
            data_type: Some(element.data_type().into()),
            dims: dims.iter().map(|d| *d as i64).collect(),
            raw_data: Some(bytes),
            ..TensorProto::default()
        });
        Value { name, element, dims: dims.iter().map(|d| Dim::Fixed(*d)).collect() }
    }

    /// `wanted`, with a number appended if the name is taken.
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
    let dimension = |d: &Dim| {
        let value = match d {
            Dim::Fixed(size) => Some(dimension::Value::DimValue(*size as i64)),
            Dim::Symbolic(name) => Some(dimension::Value::DimParam(name.clone())),
            Dim::Unknown => None,
        };
        Dimension { value, ..Dimension::default() }
    };
    let shape = TensorShapeProto { dim: value.dims.iter().map(dimension).collect() };
    let tensor = type_proto::Tensor { elem_type: Some(value.element.data_type().into()), shape: Some(shape) };
    ValueInfoProto {
        name: Some(value.name.clone()),
        r#type: Some(TypeProto {
            value: Some(type_proto::Value::TensorType(tensor)),
            ..TypeProto::default()
        }),
        ..ValueInfoProto::default()
    }
}
