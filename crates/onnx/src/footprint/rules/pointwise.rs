//! Operators that compute each value from the values at the same position.

use super::super::call::{Call, OpFootprint};
use super::super::span::Span;
use super::super::value::Value;
use crate::proto::tensor_proto::DataType;

/// Operators whose output has the dimensions of their first input.
const UNARY: [&str; 49] = [
    "Abs",
    "Acos",
    "Acosh",
    "Asin",
    "Asinh",
    "Atan",
    "Atanh",
    "BatchNormalization",
    "Ceil",
    "Clip",
    "Cos",
    "Cosh",
    "CumSum",
    "Dropout",
    "Elu",
    "Erf",
    "Exp",
    "Floor",
    "Gelu",
    "HardSigmoid",
    "HardSwish",
    "Identity",
    "InstanceNormalization",
    "LayerNormalization",
    "LeakyRelu",
    "Log",
    "LogSoftmax",
    "LpNormalization",
    "Mish",
    "Neg",
    "PRelu",
    "RMSNormalization",
    "Reciprocal",
    "Relu",
    "Round",
    "Selu",
    "Sigmoid",
    "Sign",
    "Sin",
    "Sinh",
    "Softmax",
    "Softplus",
    "Softsign",
    "Sqrt",
    "Swish",
    "Tan",
    "Tanh",
    "ThresholdedRelu",
    "Trilu",
];
/// Operators with several inputs, which are repeated along dimensions of 1.
const JOINING: [&str; 9] = ["Add", "Div", "Max", "Mean", "Min", "Mod", "Mul", "Pow", "Sub"];
/// The same with boolean outputs.
const DECIDING: [&str; 8] = ["And", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Or", "Xor"];

pub(super) fn made(call: &Call<'_>) -> Option<Result<OpFootprint, String>> {
    let op = call.node.op_type();
    Some(match op {
        _ if UNARY.contains(&op) => unary(call, op),
        "Cast" | "CastLike" => cast(call),
        "Not" | "IsNaN" | "IsInf" => {
            call.arg(0).map(|value| Value::new(DataType::Bool.into(), value.dims.clone()).into())
        }
        "QuantizeLinear" => call.arg(0).map(|value| {
            let element = call.maybe(2).map_or(DataType::Uint8.into(), |zero| zero.element);
            Value::new(element, value.dims.clone()).into()
        }),
        "DequantizeLinear" => {
            call.arg(0).map(|value| Value::new(DataType::Float.into(), value.dims.clone()).into())
        }
        "DynamicQuantizeLinear" => call.arg(0).map(|value| {
            let one = |element: DataType| Value::new(element.into(), Vec::new());
            let integers = Value::new(DataType::Uint8.into(), value.dims.clone());
            vec![integers, one(DataType::Float), one(DataType::Uint8)].into()
        }),
        _ if JOINING.contains(&op) || op == "Sum" => joining(call, op),
        _ if DECIDING.contains(&op) => joining(call, op).map(|mut made| {
            made.outputs[0].element = DataType::Bool.into();
            made
        }),
        "Where" => choosing(call),
        _ => return None,
    })
}

fn unary(call: &Call<'_>, op: &str) -> Result<OpFootprint, String> {
    let value = call.arg(0)?;
    let function: Option<fn(f64) -> f64> = match op {
        "Identity" => Some(|x| x),
        "Neg" => Some(|x| -x),
        "Floor" => Some(f64::floor),
        "Ceil" => Some(f64::ceil),
        "Round" => Some(f64::round_ties_even),
        "Relu" => Some(|x| x.max(0.0)),
        _ => None,
    };
    let held = function.zip(value.held.as_ref());
    let held = held.and_then(|(f, held)| held.iter().map(|span| span.map(f)).collect());
    Ok(call.alike(&Value::new(value.element, value.dims.clone()).holding(held)).into())
}

fn cast(call: &Call<'_>) -> Result<OpFootprint, String> {
    let value = call.arg(0)?;
    let to = match call.maybe(1) {
        Some(like) => like.element,
        None => call.int("to").and_then(|to| i32::try_from(to).ok()).ok_or("has no type to cast to")?,
    };
    let number = |span: &Span| match DataType::try_from(to) {
        Ok(DataType::Float | DataType::Float16 | DataType::Double) => Some(*span),
        Ok(DataType::Int64 | DataType::Int32) => span.map(f64::trunc),
        Ok(DataType::Bool) => span.exact().map(|value| Span::exactly(f64::from(value != 0.0))),
        _ => None,
    };
    let held = value.held.as_ref().and_then(|held| held.iter().map(number).collect());
    Ok(Value::new(to, value.dims.clone()).holding(held).into())
}

fn joining(call: &Call<'_>, op: &str) -> Result<OpFootprint, String> {
    let first = call.arg(0)?;
    let mut all = first.clone();
    for index in 1..call.inputs.len() {
        let other = call.arg(index)?;
        let dims = broadcast(&all.dims, &other.dims)?;
        let held = match (&all.held, &other.held) {
            (Some(_), Some(_)) => pairs(&all, other, &dims).and_then(|pairs| {
                pairs.into_iter().map(|(a, b)| joined(op, a, b, is_whole(first.element))).collect()
            }),
            _ => None,
        };
        all = Value::new(first.element, dims).holding(held);
    }
    Ok(all.into())
}

fn joined(op: &str, a: Span, b: Span, whole: bool) -> Option<Span> {
    match op {
        "Add" | "Sum" => a.with(b, |a, b| a + b),
        "Sub" => a.with(b, |a, b| a - b),
        "Mul" => a.with(b, |a, b| a * b),
        "Min" => a.with(b, f64::min),
        "Max" => a.with(b, f64::max),
        // A quotient has a pole at 0.
        "Div" if b.lo > 0.0 => a.with(b, |a, b| if whole { (a / b).trunc() } else { a / b }),
        "Mod" if whole && b.lo > 0.0 && a.lo >= 0.0 => match (a.exact(), b.exact()) {
            (Some(a), Some(b)) => Some(Span::exactly(a % b)),
            _ => Some(Span::up_to((b.hi - 1.0).min(a.hi))),
        },
        "Equal" => Some(match (a.exact(), b.exact()) {
            (Some(a), Some(b)) => Span::exactly(f64::from(a == b)),
            _ if a.hi < b.lo || b.hi < a.lo => Span::exactly(0.0),
            _ => Span::up_to(1.0),
        }),
        "Greater" => Some(decided(a.lo > b.hi, a.hi <= b.lo)),
        "GreaterOrEqual" => Some(decided(a.lo >= b.hi, a.hi < b.lo)),
        "Less" => Some(decided(a.hi < b.lo, a.lo >= b.hi)),
        "LessOrEqual" => Some(decided(a.hi <= b.lo, a.lo > b.hi)),
        _ => None,
    }
}

fn decided(yes: bool, no: bool) -> Span {
    match (yes, no) {
        (true, _) => Span::exactly(1.0),
        (_, true) => Span::exactly(0.0),
        _ => Span::up_to(1.0),
    }
}

fn choosing(call: &Call<'_>) -> Result<OpFootprint, String> {
    let condition = call.arg(0)?;
    let yes = call.arg(1)?;
    let no = call.arg(2)?;
    let both = broadcast(&yes.dims, &no.dims)?;
    let dims = broadcast(&condition.dims, &both)?;
    let spread = |value: &Value| pairs(value, value, &dims).map(|pairs| pairs.into_iter().map(|(a, _)| a));
    let held = match (&condition.held, &yes.held, &no.held) {
        (Some(_), Some(_), Some(_)) => {
            spread(condition).zip(spread(yes)).zip(spread(no)).map(|((c, y), n)| {
                c.zip(y)
                    .zip(n)
                    .map(|((c, y), n)| match c.exact() {
                        Some(0.0) => n,
                        Some(_) => y,
                        None => y.hull(n),
                    })
                    .collect()
            })
        }
        _ => None,
    };
    Ok(Value::new(yes.element, dims).holding(held).into())
}

fn is_whole(element: i32) -> bool {
    [DataType::Int64, DataType::Int32, DataType::Uint8, DataType::Int8].map(i32::from).contains(&element)
}

/// Dimensions of the result of two tensors; dimensions of 1 are repeated.
pub(super) fn broadcast(a: &[Span], b: &[Span]) -> Result<Vec<Span>, String> {
    let rank = a.len().max(b.len());
    let one = Span::size(1);
    let at = |dims: &[Span], axis: usize| (axis + dims.len()).checked_sub(rank).map_or(one, |at| dims[at]);
    let join = |axis: usize| {
        let a = at(a, axis);
        let b = at(b, axis);
        Ok(match (a.exact(), b.exact()) {
            (Some(1.0), _) => b,
            (_, Some(1.0)) => a,
            (Some(x), Some(y)) if x == y => a,
            (Some(x), Some(y)) => return Err(format!("joins a dimension of {x} with one of {y}")),
            // One of them may turn out to be 1.
            _ => Span { lo: 0.0, hi: a.hi.max(b.hi) },
        })
    };
    (0..rank).map(join).collect()
}

/// Numbers of two small tensors, repeated to these dimensions.
pub(super) fn pairs(a: &Value, b: &Value, dims: &[Span]) -> Option<Vec<(Span, Span)>> {
    let sizes: Vec<usize> =
        dims.iter().map(|dim| dim.exact().map(|size| size as usize)).collect::<Option<_>>()?;
    let repeat = |value: &Value| -> Option<Vec<Span>> {
        let from = value.exact_dims()?;
        let held = value.held.as_ref()?;
        let ahead = sizes.len() - from.len();
        let place = |index: &[usize]| {
            Some(
                index[ahead..].iter().zip(&from).map(|(at, size)| if *size == 1 { 0 } else { *at }).collect(),
            )
        };
        let places = super::super::value::gathered(&from, &sizes, place)?;
        places.into_iter().map(|place| held.get(place).copied()).collect()
    };
    Some(repeat(a)?.into_iter().zip(repeat(b)?).collect())
}
