//! Operators whose output size is given by numbers: a hostile file could demand too much from them.

use super::super::call::{Call, OpFootprint};
use super::super::constant::constant;
use super::super::span::Span;
use super::super::value::{HELD, Value};
use super::pointwise::{broadcast, pairs};
use crate::proto::tensor_proto::DataType;

pub(super) fn made(call: &Call<'_>) -> Option<Result<OpFootprint, String>> {
    Some(match call.node.op_type() {
        "Shape" => shape(call),
        "Size" => call.arg(0).map(|value| {
            let count = value.exact_elements().map(|count| vec![Span::size(count)]);
            Value::new(DataType::Int64.into(), Vec::new()).holding(count).into()
        }),
        "ConstantOfShape" => filled(call),
        "Expand" => expanded(call),
        "Tile" => tiled(call),
        "Range" => range(call),
        "EyeLike" => call.arg(0).map(|value| {
            let element = call.int("dtype").map_or(value.element, |to| to as i32);
            Value::new(element, value.dims.clone()).into()
        }),
        "OneHot" => one_hot(call),
        _ => return None,
    })
}

fn shape(call: &Call<'_>) -> Result<OpFootprint, String> {
    let value = call.arg(0)?;
    let rank = value.rank() as i64;
    let bound = |at: i64| if at < 0 { at.saturating_add(rank) } else { at }.clamp(0, rank) as usize;
    let start = bound(call.int("start").unwrap_or(0));
    let end = bound(call.int("end").unwrap_or(rank)).max(start);
    Ok(Value::list(value.dims[start..end].to_vec()).into())
}

/// Sizes of a tensor, read from an input.
fn sizes(call: &Call<'_>, index: usize) -> Result<Vec<Span>, String> {
    let held = call.held(index)?;
    match held.iter().find(|span| span.lo < 0.0) {
        Some(span) => Err(format!("asks for a dimension of {}", span.lo)),
        None => Ok(held.to_vec()),
    }
}

fn filled(call: &Call<'_>) -> Result<OpFootprint, String> {
    let fill = call.tensor("value").map(constant).transpose()?;
    let element = fill.as_ref().map_or(DataType::Float.into(), |fill| fill.element);
    let value = Value::new(element, sizes(call, 0)?);
    let number =
        fill.map_or(Some(Span::exactly(0.0)), |fill| fill.held.and_then(|held| held.first().copied()));
    let count = value.exact_elements().filter(|count| *count <= HELD);
    let held = number.zip(count).map(|(number, count)| vec![number; count]);
    Ok(value.holding(held).into())
}

fn expanded(call: &Call<'_>) -> Result<OpFootprint, String> {
    let value = call.arg(0)?;
    let dims = broadcast(&value.dims, &sizes(call, 1)?)?;
    let held = value.held.as_ref().and_then(|_| pairs(value, value, &dims));
    let held = held.map(|pairs| pairs.into_iter().map(|(number, _)| number).collect());
    Ok(Value::new(value.element, dims).holding(held).into())
}

fn tiled(call: &Call<'_>) -> Result<OpFootprint, String> {
    let value = call.arg(0)?;
    let repeats = sizes(call, 1)?;
    if repeats.len() != value.rank() {
        return Err(format!("repeats {} axes of a tensor of {} dimensions", repeats.len(), value.rank()));
    }
    let dims = value.dims.iter().zip(&repeats).map(|(dim, times)| dim.with(*times, |dim, times| dim * times));
    let dims = dims.collect::<Option<_>>().ok_or("repeats a tensor to more than 2^31 values")?;
    Ok(Value::new(value.element, dims).into())
}

fn range(call: &Call<'_>) -> Result<OpFootprint, String> {
    let one = |index: usize| match call.held(index)? {
        [one] => Ok(*one),
        _ => Err(format!("takes one number as input {index}")),
    };
    let start = one(0)?;
    let limit = one(1)?;
    let step = one(2)?;
    let step = step.exact().filter(|step| *step != 0.0).ok_or("takes a step that is not one number but 0")?;
    let count = |start: f64, limit: f64| ((limit - start) / step).ceil().max(0.0);
    let count = start.with(limit, count).ok_or("counts to more than 2^31")?;
    let element = call.arg(0)?.element;
    let held = start.exact().zip(count.exact()).filter(|(_, count)| *count <= HELD as f64);
    let held = held.and_then(|(start, count)| {
        (0..count as usize).map(|i| Span::stored(start + i as f64 * step)).collect()
    });
    Ok(Value::new(element, vec![count]).holding(held).into())
}

fn one_hot(call: &Call<'_>) -> Result<OpFootprint, String> {
    let indices = call.arg(0)?;
    let values = call.arg(2)?;
    let depth = sizes(call, 1)?;
    let &[depth] = &depth[..] else { return Err("takes one number as its depth".to_owned()) };
    let rank = indices.rank() + 1;
    let at = super::super::call::axis(call.int("axis").unwrap_or(-1), rank)?;
    let mut dims = indices.dims.clone();
    dims.insert(at, depth);
    Ok(Value::new(values.element, dims).into())
}
