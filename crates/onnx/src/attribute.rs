//! Attributes of nodes: a name and a typed value.

use crate::proto::AttributeProto;
use crate::proto::attribute_proto::AttributeType;

/// One whole number.
pub(crate) fn int(name: &str, value: usize) -> AttributeProto {
    AttributeProto { i: Some(value as i64), ..new(name, AttributeType::Int) }
}

/// Several whole numbers.
pub(crate) fn ints(name: &str, values: &[usize]) -> AttributeProto {
    AttributeProto { ints: values.iter().map(|v| *v as i64).collect(), ..new(name, AttributeType::Ints) }
}

/// One real number.
pub(crate) fn float(name: &str, value: f32) -> AttributeProto {
    AttributeProto { f: Some(value), ..new(name, AttributeType::Float) }
}

/// A word.
pub(crate) fn string(name: &str, value: &str) -> AttributeProto {
    AttributeProto { s: Some(value.as_bytes().to_vec()), ..new(name, AttributeType::String) }
}

fn new(name: &str, kind: AttributeType) -> AttributeProto {
    AttributeProto { name: Some(name.to_owned()), r#type: Some(kind.into()), ..AttributeProto::default() }
}
