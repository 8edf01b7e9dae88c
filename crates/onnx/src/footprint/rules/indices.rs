//! Operators that select values by index, or that return indices.

use super::super::call::{Call, OpFootprint, axis};
use super::super::span::Span;
use super::super::value::Value;
use super::layout::taken;
use crate::proto::tensor_proto::DataType;

pub(super) fn made(call: &Call<'_>) -> Option<Result<OpFootprint, String>> {
    Some(match call.node.op_type() {
        "Gather" => gathered(call),
        "GatherElements" => elements(call),
        "GatherND" => by_place(call),
        "Scatter" | "ScatterElements" | "ScatterND" => call.arg(0).and_then(|value| {
            call.arg(1)?;
            Ok(Value::new(value.element, value.dims.clone()).into())
        }),
        "NonZero" => call.arg(0).map(|value| {
            let dims = vec![Span::size(value.rank()), Span::up_to(value.elements())];
            Value::new(DataType::Int64.into(), dims).into()
        }),
        "TopK" => largest(call),
        "ArgMax" | "ArgMin" => best(call),
        "NonMaxSuppression" => suppressed(call),
        _ => return None,
    })
}

fn gathered(call: &Call<'_>) -> Result<OpFootprint, String> {
    let value = call.arg(0)?;
    let indices = call.arg(1)?;
    let at = axis(call.int("axis").unwrap_or(0), value.rank())?;
    let dims = [&value.dims[..at], &indices.dims, &value.dims[at + 1..]].concat();
    let made = Value::new(value.element, dims);
    let rank = indices.rank();
    let held = indices.held.as_ref().zip(indices.exact_dims()).and_then(|(numbers, sizes)| {
        let length = value.dims[at].whole()?;
        taken(value, &made, |index| {
            let flat = index[at..at + rank].iter().zip(&sizes).fold(0, |flat, (at, size)| flat * size + at);
            let number = numbers.get(flat)?.whole()?;
            let number = if number < 0 { number + length } else { number };
            let mut place = index[..at].to_vec();
            place.push(usize::try_from(number).ok()?);
            place.extend_from_slice(&index[at + rank..]);
            Some(place)
        })
    });
    Ok(made.holding(held).into())
}

fn elements(call: &Call<'_>) -> Result<OpFootprint, String> {
    let value = call.arg(0)?;
    let indices = call.arg(1)?;
    if value.rank() != indices.rank() {
        return Err(format!("picks from {} by {}", value.shape(), indices.shape()));
    }
    Ok(Value::new(value.element, indices.dims.clone()).into())
}

fn by_place(call: &Call<'_>) -> Result<OpFootprint, String> {
    let value = call.arg(0)?;
    let indices = call.arg(1)?;
    let shared = call.int("batch_dims").unwrap_or(0);
    let depth = indices.dims.last().and_then(|depth| depth.whole());
    let used =
        depth.and_then(|depth| usize::try_from(depth + shared).ok()).filter(|used| *used <= value.rank());
    let used = used.ok_or_else(|| format!("picks from {} by places {}", value.shape(), indices.shape()))?;
    let dims = [&indices.dims[..indices.rank() - 1], &value.dims[used..]].concat();
    Ok(Value::new(value.element, dims).into())
}

fn largest(call: &Call<'_>) -> Result<OpFootprint, String> {
    let value = call.arg(0)?;
    let count = match call.int("k") {
        Some(_) if call.maybe(1).is_some() => {
            return Err("has `k` as an attribute and as an input".to_owned());
        }
        Some(count) => Span::exactly(count as f64),
        None => match call.held(1)? {
            [count] => *count,
            _ => return Err("takes one number as input 1".to_owned()),
        },
    };
    let at = axis(call.int("axis").unwrap_or(-1), value.rank())?;
    let mut dims = value.dims.clone();
    if count.lo < 0.0 || count.lo > dims[at].hi {
        return Err(format!("picks the largest {} of {}", count.lo, dims[at].hi));
    }
    dims[at] = Span { lo: count.lo, hi: count.hi.min(dims[at].hi) };
    Ok(vec![Value::new(value.element, dims.clone()), Value::new(DataType::Int64.into(), dims)].into())
}

fn best(call: &Call<'_>) -> Result<OpFootprint, String> {
    let value = call.arg(0)?;
    let at = axis(call.int("axis").unwrap_or(0), value.rank())?;
    let mut dims = value.dims.clone();
    if call.int("keepdims").unwrap_or(1) != 0 {
        dims[at] = Span::size(1);
    } else {
        dims.remove(at);
    }
    Ok(OpFootprint { work: value.elements(), ..Value::new(DataType::Int64.into(), dims).into() })
}

/// Number of operations to compare two boxes.
const COMPARISON: f64 = 10.0;

/// Non-maximum suppression: each kept box is compared with all boxes after it.
fn suppressed(call: &Call<'_>) -> Result<OpFootprint, String> {
    let boxes = call.arg(0)?;
    let scores = call.arg(1)?;
    let (&[images, count, four], &[also_images, classes, also_count]) = (&boxes.dims[..], &scores.dims[..])
    else {
        return Err(format!(
            "takes [n, boxes, 4] and [n, classes, boxes], not {} and {}",
            boxes.shape(),
            scores.shape()
        ));
    };
    let differ = |a: Span, b: Span| a.exact().zip(b.exact()).is_some_and(|(a, b)| a != b);
    if four.exact() != Some(4.0) || differ(images, also_images) || differ(count, also_count) {
        return Err(format!(
            "takes [n, boxes, 4] and [n, classes, boxes], not {} and {}",
            boxes.shape(),
            scores.shape()
        ));
    }
    let limit = match call.maybe(2) {
        None => 0.0,
        // The limit depends on the picture: at most all boxes are kept.
        Some(limit) => {
            limit.held.as_ref().and_then(|held| held.first()).map_or(count.hi, |limit| limit.hi.max(0.0))
        }
    };
    let kept = limit.min(count.hi);
    let groups = images.hi * classes.hi;
    let dims = vec![Span::up_to(groups * kept), Span::size(3)];
    Ok(OpFootprint {
        work: groups * count.hi * kept.max(1.0) * COMPARISON,
        ..Value::new(DataType::Int64.into(), dims).into()
    })
}
