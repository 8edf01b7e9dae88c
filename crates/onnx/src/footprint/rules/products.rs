//! Operators that reduce: matrix products, and sums, means and extremes along axes.

use super::super::call::{Call, OpFootprint, axis};
use super::super::span::Span;
use super::super::value::Value;
use super::pointwise::broadcast;
use crate::proto::tensor_proto::DataType;

pub(super) fn made(call: &Call<'_>) -> Option<Result<OpFootprint, String>> {
    let op = call.node.op_type();
    Some(match op {
        "MatMul" => product(call, None),
        "MatMulInteger" => product(call, Some(DataType::Int32)),
        "Gemm" => general(call),
        _ if op.starts_with("Reduce") => reduced(call, op),
        _ => return None,
    })
}

fn differ(a: Span, b: Span) -> bool {
    a.exact().zip(b.exact()).is_some_and(|(a, b)| a != b)
}

fn product(call: &Call<'_>, element: Option<DataType>) -> Result<OpFootprint, String> {
    let a = call.arg(0)?;
    let b = call.arg(1)?;
    let one = Span::size(1);
    let mut left = a.dims.clone();
    let mut right = b.dims.clone();
    if left.is_empty() || right.is_empty() {
        return Err(format!("multiplies {} by {}", a.shape(), b.shape()));
    }
    if a.rank() == 1 {
        left.insert(0, one);
    }
    if b.rank() == 1 {
        right.push(one);
    }
    let (&[rows, inner], &[also_inner, columns]) = (&left[left.len() - 2..], &right[right.len() - 2..])
    else {
        return Err(format!("multiplies {} by {}", a.shape(), b.shape()));
    };
    if differ(inner, also_inner) {
        return Err(format!("multiplies {} by {}", a.shape(), b.shape()));
    }
    let mut dims = broadcast(&left[..left.len() - 2], &right[..right.len() - 2])?;
    if a.rank() > 1 {
        dims.push(rows);
    }
    if b.rank() > 1 {
        dims.push(columns);
    }
    let value = Value::new(element.map_or(a.element, i32::from), dims);
    Ok(OpFootprint { work: value.elements() * inner.hi, ..value.into() })
}

fn general(call: &Call<'_>) -> Result<OpFootprint, String> {
    let a = call.arg(0)?;
    let b = call.arg(1)?;
    let turned = |value: &Value, name: &str| match value.dims[..] {
        [rows, columns] if call.int(name).unwrap_or(0) == 0 => Ok((rows, columns)),
        [rows, columns] => Ok((columns, rows)),
        _ => Err(format!("multiplies {} by {}", a.shape(), b.shape())),
    };
    let ((rows, inner), (also_inner, columns)) = (turned(a, "transA")?, turned(b, "transB")?);
    if differ(inner, also_inner) {
        return Err(format!("multiplies {} by {}", a.shape(), b.shape()));
    }
    let value = Value::new(a.element, vec![rows, columns]);
    if let Some(added) = call.maybe(2) {
        broadcast(&value.dims, &added.dims)?;
    }
    Ok(OpFootprint { work: value.elements() * inner.hi, ..value.into() })
}

fn reduced(call: &Call<'_>, op: &str) -> Result<OpFootprint, String> {
    let value = call.arg(0)?;
    let rank = value.rank();
    let axes: Vec<usize> = match call.axes(1)? {
        Some(axes) => axes.into_iter().map(|at| axis(at, rank)).collect::<Result<_, _>>()?,
        None if call.int("noop_with_empty_axes").unwrap_or(0) != 0 => Vec::new(),
        None => (0..rank).collect(),
    };
    let keep = call.int("keepdims").unwrap_or(1) != 0;
    let dims = (0..rank).filter(|at| keep || !axes.contains(at));
    let dims = dims.map(|at| if axes.contains(&at) { Span::size(1) } else { value.dims[at] }).collect();
    let made = Value::new(value.element, dims);
    // Only if a whole list of sizes is reduced to one number.
    let held = value.held.as_ref().filter(|_| axes.len() == rank && made.exact_elements() == Some(1));
    let join: Option<fn(f64, f64) -> f64> = match op {
        "ReduceProd" => Some(|a, b| a * b),
        "ReduceSum" => Some(|a, b| a + b),
        "ReduceMax" => Some(f64::max),
        "ReduceMin" => Some(f64::min),
        _ => None,
    };
    let held = held.zip(join).and_then(|(held, join)| {
        let (first, rest) = held.split_first()?;
        rest.iter().try_fold(*first, |all, next| all.with(*next, join)).map(|all| vec![all])
    });
    Ok(OpFootprint { work: value.elements(), ..made.holding(held).into() })
}
