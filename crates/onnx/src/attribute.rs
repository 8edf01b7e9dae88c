//! [`int`], [`ints`], [`float`] and [`string`]: attributes of nodes, each with a name and a typed value.

use crate::proto::AttributeProto;
use crate::proto::attribute_proto::AttributeType;

/// One integer.
pub(crate) fn int(name: &str, value: usize) -> AttributeProto {
    AttributeProto { i: Some(value as i64), ..new(name, AttributeType::Int) }
}

/// Several integers.
pub(crate) fn ints(name: &str, values: &[usize]) -> AttributeProto {
    AttributeProto { ints: values.iter().map(|v| *v as i64).collect(), ..new(name, AttributeType::Ints) }
}

/// One floating-point number.
pub(crate) fn float(name: &str, value: f32) -> AttributeProto {
    AttributeProto { f: Some(value), ..new(name, AttributeType::Float) }
}

/// A text.
pub(crate) fn string(name: &str, value: &str) -> AttributeProto {
    AttributeProto { s: Some(value.as_bytes().to_vec()), ..new(name, AttributeType::String) }
}

fn new(name: &str, kind: AttributeType) -> AttributeProto {
    AttributeProto { name: Some(name.to_owned()), r#type: Some(kind.into()), ..AttributeProto::default() }
}
