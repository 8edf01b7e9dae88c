//! [`constant`]: checks that a constant of a file has as many numbers as its dimensions require.
//!
//! rten 0.27 multiplies dimensions without an overflow check and then trusts them. A constant of
//! `[2^32, 2^32, 2^32]` without data therefore makes it write outside of its memory.

use super::span::Span;
use super::value::{HELD, Value};
use crate::proto::tensor_proto::{DataLocation, DataType};
use crate::proto::{NodeProto, TensorProto};

/// The known facts about a constant.
///
/// # Errors
/// A text that describes what is wrong with it.
pub(super) fn constant(tensor: &TensorProto) -> Result<Value, String> {
    if tensor.data_location() == DataLocation::External || !tensor.external_data.is_empty() {
        let file = tensor.external_data.iter().find(|entry| entry.key() == "location");
        let file = file.map_or("", |entry| entry.value());
        return Err(format!("has its data in another file, `{file}`: write the model into one file"));
    }
    if tensor.segment.is_some() {
        return Err("is one segment of a tensor: write it whole".to_owned());
    }
    let number = tensor.data_type.unwrap_or_default();
    let element = DataType::try_from(number).unwrap_or(DataType::Undefined);
    let (width, listed) = match DataType::try_from(number) {
        Ok(DataType::Float) => (4, tensor.float_data.len()),
        Ok(DataType::Double) => (8, tensor.double_data.len()),
        Ok(DataType::Int64) => (8, tensor.int64_data.len()),
        Ok(DataType::Int32) => (4, tensor.int32_data.len()),
        Ok(DataType::Float16 | DataType::Bfloat16 | DataType::Int16 | DataType::Uint16) => {
            (2, tensor.int32_data.len())
        }
        Ok(DataType::Uint8 | DataType::Int8 | DataType::Bool) => (1, tensor.int32_data.len()),
        Ok(DataType::Uint32) => (4, tensor.uint64_data.len()),
        Ok(DataType::Uint64) => (8, tensor.uint64_data.len()),
        _ => return Err(format!("is of type {}, which no detector has", element.as_str_name())),
    };
    let dims: Vec<Span> = tensor.dims.iter().map(|dim| Span::exactly(*dim as f64)).collect();
    let value = Value::new(number, dims);
    value.check()?;
    let (found, expected) = match &tensor.raw_data {
        Some(raw) => (raw.len() as f64, value.elements() * f64::from(width)),
        None => (listed as f64, value.elements()),
    };
    if found != expected {
        let unit = if tensor.raw_data.is_some() { "bytes" } else { "values" };
        return Err(format!("of {} holds {found} {unit}; {expected} were expected", value.shape()));
    }
    let held = numbers(tensor, element, value.elements() as usize);
    Ok(value.holding(held))
}

/// The numbers of a small tensor, if it has a type in which sizes are written.
fn numbers(tensor: &TensorProto, element: DataType, count: usize) -> Option<Vec<Span>> {
    if count > HELD {
        return None;
    }
    let raw = tensor.raw_data.as_deref();
    let numbers: Vec<f64> = match (element, raw) {
        (DataType::Int64, Some(raw)) => words(raw, |word| i64::from_le_bytes(word) as f64),
        (DataType::Int64, None) => tensor.int64_data.iter().map(|number| *number as f64).collect(),
        (DataType::Int32, Some(raw)) => words(raw, |word| f64::from(i32::from_le_bytes(word))),
        (DataType::Int32 | DataType::Bool, None) => tensor.int32_data.iter().map(|n| f64::from(*n)).collect(),
        (DataType::Bool, Some(raw)) => raw.iter().map(|byte| f64::from(*byte != 0)).collect(),
        (DataType::Float, Some(raw)) => words(raw, |word| f64::from(f32::from_le_bytes(word))),
        (DataType::Float, None) => tensor.float_data.iter().map(|number| f64::from(*number)).collect(),
        _ => return None,
    };
    numbers.into_iter().map(Span::stored).collect()
}

fn words<const N: usize>(raw: &[u8], read: impl Fn([u8; N]) -> f64) -> Vec<f64> {
    let (words, _) = raw.as_chunks::<N>();
    words.iter().map(|word| read(*word)).collect()
}

/// The value of a `Constant` node.
pub(super) fn node(node: &NodeProto) -> Result<Value, String> {
    let list = |element: DataType, numbers: Vec<f64>, is_list: bool| {
        let dims = if is_list { vec![Span::size(numbers.len())] } else { Vec::new() };
        Value::new(element.into(), dims).holding(numbers.into_iter().map(Span::stored).collect())
    };
    let [attribute] = &node.attribute[..] else { return Err("holds more or less than one value".to_owned()) };
    if let ("value", Some(tensor)) = (attribute.name(), &attribute.t) {
        return constant(tensor);
    }
    Ok(match attribute.name() {
        "value_int" => list(DataType::Int64, vec![attribute.i() as f64], false),
        "value_float" => list(DataType::Float, vec![f64::from(attribute.f())], false),
        "value_ints" => list(DataType::Int64, attribute.ints.iter().map(|n| *n as f64).collect(), true),
        "value_floats" => {
            list(DataType::Float, attribute.floats.iter().map(|n| f64::from(*n)).collect(), true)
        }
        name => return Err(format!("holds `{name}`, which no detector needs")),
    })
}
