//! [`elements`]: element types of the values of a graph, as far as its inputs and constants determine them.

use std::collections::HashMap;
use std::fmt;

use super::wire::{Graph, Node, Value};

/// ONNX's `TensorProto.DataType`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Element(pub(super) i32);

impl Element {
    /// 32-bit float.
    pub const FLOAT: Self = Self(1);
    /// 64-bit integer.
    pub const INT64: Self = Self(7);
    /// Boolean.
    pub const BOOL: Self = Self(9);
    /// 16-bit float.
    pub const FLOAT16: Self = Self(10);

    /// Whether it is one of the floating-point types that a network computes in.
    pub(super) fn is_float(self) -> bool {
        matches!(self.0, 1 | 10 | 11 | 16)
    }
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NAMES: [&str; 17] = [
            "UNDEFINED",
            "FLOAT",
            "UINT8",
            "INT8",
            "UINT16",
            "INT16",
            "INT32",
            "INT64",
            "STRING",
            "BOOL",
            "FLOAT16",
            "DOUBLE",
            "UINT32",
            "UINT64",
            "COMPLEX64",
            "COMPLEX128",
            "BFLOAT16",
        ];
        match usize::try_from(self.0).ok().and_then(|number| NAMES.get(number)) {
            Some(name) => f.write_str(name),
            None => write!(f, "type {}", self.0),
        }
    }
}

/// The declared type of a value.
pub(super) fn declared(value: &Value) -> Option<Element> {
    let tensor = value.r#type.as_ref()?.tensor.as_ref()?;
    tensor.elem_type.filter(|&number| number != 0).map(Element)
}

/// Types by the name of the value. Unknown types are absent.
pub(super) fn elements(graph: &Graph) -> HashMap<&str, Element> {
    let mut known = HashMap::new();
    for constant in &graph.initializer {
        if let (Some(name), Some(number)) = (constant.name.as_deref(), constant.data_type) {
            known.insert(name, Element(number));
        }
    }
    for value in graph.input.iter().chain(&graph.value_info) {
        if let (Some(name), Some(element)) = (value.name.as_deref(), declared(value)) {
            known.insert(name, element);
        }
    }
    // In the order of the file, which ONNX requires to be sorted; a value that is used before it is made
    // stays unknown.
    for node in &graph.node {
        if let (Some(output), Some(element)) = (node.output.first(), result(node, &known)) {
            known.insert(output, element);
        }
    }
    known
}

/// The type of a node's first output.
fn result(node: &Node, known: &HashMap<&str, Element>) -> Option<Element> {
    let input = |index: usize| node.input.get(index).and_then(|name| known.get(name.as_str())).copied();
    let attribute = |name: &str| node.attribute.iter().find(|a| a.name.as_deref() == Some(name));
    let number =
        |name: &str| attribute(name).and_then(|a| a.i).and_then(|i| i32::try_from(i).ok()).map(Element);
    match node.op_type.as_deref()? {
        "Cast" => number("to"),
        "Constant" | "ConstantOfShape" => {
            attribute("value").and_then(|a| a.t.as_ref()).and_then(|t| t.data_type).map(Element)
        }
        "Shape" | "Size" | "ArgMax" | "ArgMin" | "NonZero" | "NonMaxSuppression" => Some(Element::INT64),
        "Equal" | "Greater" | "GreaterOrEqual" | "Less" | "LessOrEqual" | "And" | "Or" | "Not" | "Xor"
        | "IsNaN" | "IsInf" => Some(Element::BOOL),
        // The output has the type of the scale.
        "DequantizeLinear" => number("output_dtype").filter(|e| e.0 != 0).or_else(|| input(1)),
        "QuantizeLinear" => {
            number("output_dtype").filter(|e| e.0 != 0).or_else(|| input(2)).or(Some(Element(2)))
        }
        "Where" | "CastLike" => input(1),
        "If" | "Loop" | "Scan" | "RandomNormal" | "RandomUniform" | "EyeLike" | "OneHot" => None,
        _ if !super::is_standard(node) => None,
        _ => input(0),
    }
}
