//! Operators that change the order or the dimensions of values.

use super::super::call::{Call, OpFootprint, axis};
use super::super::span::Span;
use super::super::value::{HELD, Value, gathered};

pub(super) fn made(call: &Call<'_>) -> Option<Result<OpFootprint, String>> {
    Some(match call.node.op_type() {
        "Reshape" => reshaped(call),
        "Flatten" => flattened(call),
        "Squeeze" => squeezed(call),
        "Unsqueeze" => unsqueezed(call),
        "Transpose" => transposed(call),
        "Concat" => joined(call),
        "Split" => split(call),
        "Slice" => sliced(call),
        "DepthToSpace" | "SpaceToDepth" => blocks(call),
        _ => return None,
    })
}

/// The same numbers with other dimensions.
fn with_dims(value: &Value, dims: Vec<Span>) -> OpFootprint {
    Value::new(value.element, dims).holding(value.held.clone()).into()
}

fn reshaped(call: &Call<'_>) -> Result<OpFootprint, String> {
    let value = call.arg(0)?;
    let wanted = call.held(1)?;
    let keeps_zero = call.int("allowzero").unwrap_or(0) != 0;
    let mut dims = Vec::with_capacity(wanted.len());
    let mut open = None;
    for (at, span) in wanted.iter().enumerate() {
        dims.push(match span.exact() {
            Some(-1.0) if open.is_none() => {
                open = Some(at);
                Span::size(1)
            }
            Some(0.0) if !keeps_zero => {
                *value.dims.get(at).ok_or("copies a dimension that its input does not have")?
            }
            _ if span.lo >= 0.0 => *span,
            _ => return Err(format!("asks for a dimension of {}", span.lo)),
        });
    }
    let known = product(&dims);
    let low: f64 = value.dims.iter().map(|dim| dim.lo).product();
    let high = value.elements();
    let exact = (low == high).then_some(high);
    if let Some(at) = open {
        dims[at] = match (exact, known.exact()) {
            (Some(all), Some(part)) if part > 0.0 && all % part == 0.0 => Span::exactly(all / part),
            (Some(all), Some(part)) => return Err(format!("cuts {all} values into parts of {part}")),
            _ => Span::up_to((high / known.lo.max(1.0)).floor()),
        };
    } else if let (Some(all), Some(wanted)) = (exact, known.exact())
        && all != wanted
    {
        return Err(format!("makes {} of {all} values", Value::new(value.element, dims).shape()));
    }
    Ok(with_dims(value, dims))
}

fn product(dims: &[Span]) -> Span {
    dims.iter().fold(Span::size(1), |all, dim| Span { lo: all.lo * dim.lo, hi: all.hi * dim.hi })
}

fn flattened(call: &Call<'_>) -> Result<OpFootprint, String> {
    let value = call.arg(0)?;
    let at = call.int("axis").unwrap_or(1);
    let at = if at == value.rank() as i64 { value.rank() } else { axis(at, value.rank())? };
    Ok(with_dims(value, vec![product(&value.dims[..at]), product(&value.dims[at..])]))
}

fn squeezed(call: &Call<'_>) -> Result<OpFootprint, String> {
    let value = call.arg(0)?;
    let rank = value.rank();
    let gone: Vec<usize> = match call.axes(1)? {
        Some(axes) => axes.into_iter().map(|at| axis(at, rank)).collect::<Result<_, _>>()?,
        None if value.dims.iter().any(|dim| dim.exact().is_none()) => {
            return Err("drops dimensions of 1 without saying which, and not all are known".to_owned());
        }
        None => (0..rank).filter(|at| value.dims[*at].exact() == Some(1.0)).collect(),
    };
    if let Some(at) = gone.iter().find(|at| value.dims[**at].exact().is_some_and(|size| size != 1.0)) {
        return Err(format!("drops dimension {at} of {}", value.shape()));
    }
    let dims = (0..rank).filter(|at| !gone.contains(at)).map(|at| value.dims[at]).collect();
    Ok(with_dims(value, dims))
}

fn unsqueezed(call: &Call<'_>) -> Result<OpFootprint, String> {
    let value = call.arg(0)?;
    let axes = call.axes(1)?.ok_or("does not say which dimensions to add")?;
    let rank = value.rank() + axes.len();
    let added: Vec<usize> = axes.into_iter().map(|at| axis(at, rank)).collect::<Result<_, _>>()?;
    let mut kept = value.dims.iter();
    let dims =
        (0..rank).map(|at| if added.contains(&at) { Some(Span::size(1)) } else { kept.next().copied() });
    let dims = dims.collect::<Option<_>>().ok_or("adds one dimension twice")?;
    Ok(with_dims(value, dims))
}

fn transposed(call: &Call<'_>) -> Result<OpFootprint, String> {
    let value = call.arg(0)?;
    let rank = value.rank();
    let order: Vec<usize> = match call.ints("perm") {
        Some(order) => order.iter().map(|at| axis(*at, rank)).collect::<Result<_, _>>()?,
        None => (0..rank).rev().collect(),
    };
    let mut sorted = order.clone();
    sorted.sort_unstable();
    if sorted != (0..rank).collect::<Vec<_>>() {
        return Err(format!("puts {rank} dimensions in the order {order:?}"));
    }
    let dims: Vec<Span> = order.iter().map(|at| value.dims[*at]).collect();
    let made = Value::new(value.element, dims);
    let held = taken(value, &made, |index| {
        let mut from = vec![0; rank];
        for (at, axis) in order.iter().enumerate() {
            from[*axis] = index[at];
        }
        Some(from)
    });
    Ok(made.holding(held).into())
}

/// The numbers of `made`; `place` maps an index of `made` to one of `value`.
pub(super) fn taken(
    value: &Value,
    made: &Value,
    place: impl Fn(&[usize]) -> Option<Vec<usize>>,
) -> Option<Vec<Span>> {
    let held = value.held.as_ref()?;
    let places = gathered(&value.exact_dims()?, &made.exact_dims()?, place)?;
    Some(places.into_iter().map(|place| held[place]).collect())
}

fn joined(call: &Call<'_>) -> Result<OpFootprint, String> {
    let first = call.arg(0)?;
    let at = axis(call.int("axis").ok_or("does not say along which axis")?, first.rank())?;
    let mut dims = first.dims.clone();
    for index in 1..call.inputs.len() {
        let other = call.arg(index)?;
        if other.rank() != first.rank() {
            return Err(format!("joins {} and {}", first.shape(), other.shape()));
        }
        for (axis, dim) in dims.iter_mut().enumerate() {
            let size = other.dims[axis];
            if axis == at {
                *dim = dim.with(size, |a, b| a + b).ok_or("joins more than 2^31 values")?;
            } else if dim.exact().zip(size.exact()).is_some_and(|(a, b)| a != b) {
                return Err(format!("joins {} and {} along axis {at}", first.shape(), other.shape()));
            } else {
                *dim = Span { lo: dim.lo.max(size.lo).min(dim.hi.min(size.hi)), hi: dim.hi.min(size.hi) };
            }
        }
    }
    let made = Value::new(first.element, dims);
    Ok(made.clone().holding(joined_numbers(call, &made, at)).into())
}

fn joined_numbers(call: &Call<'_>, made: &Value, at: usize) -> Option<Vec<Span>> {
    let sizes = made.exact_dims()?;
    let count = made.exact_elements().filter(|count| (1..=HELD).contains(count))?;
    let parts: Vec<(&[Span], usize)> = call
        .inputs
        .iter()
        .map(|part| {
            part.and_then(|part| Some((part.held.as_deref()?, part.exact_dims()?[at..].iter().product())))
        })
        .collect::<Option<_>>()?;
    let mut numbers = Vec::with_capacity(count);
    for row in 0..sizes[..at].iter().product() {
        for (held, length) in &parts {
            numbers.extend_from_slice(held.get(row * length..(row + 1) * length)?);
        }
    }
    Some(numbers)
}

fn split(call: &Call<'_>) -> Result<OpFootprint, String> {
    let value = call.arg(0)?;
    let at = axis(call.int("axis").unwrap_or(0), value.rank())?;
    let parts = call.node.output.len();
    let length = value.dims[at];
    let sizes: Vec<Span> = match call.moved("split", 1)? {
        Some(sizes) => sizes.iter().map(|size| Span::exactly(*size as f64)).collect(),
        None if call.maybe(1).is_some() => call.held(1)?.to_vec(),
        None => {
            let whole = length.exact().ok_or("cuts a dimension whose size is not known into equal parts")?;
            let part = (whole / parts.max(1) as f64).ceil();
            (0..parts).map(|i| Span::exactly((whole - part * i as f64).clamp(0.0, part))).collect()
        }
    };
    let sum = product_sum(&sizes);
    if sizes.len() != parts
        || sizes.iter().any(|size| size.lo < 0.0)
        || length.exact().zip(sum).is_some_and(|(l, s)| l != s)
    {
        return Err(format!("cuts axis {at} of {} into {parts} parts that do not fit", value.shape()));
    }
    let mut from = 0;
    let made = sizes.into_iter().map(|size| {
        let mut dims = value.dims.clone();
        dims[at] = size;
        let made = Value::new(value.element, dims);
        let start = from;
        from += size.hi as usize;
        let held = taken(value, &made, |index| {
            let mut place = index.to_vec();
            place[at] += start;
            Some(place)
        });
        made.holding(held)
    });
    Ok(made.collect::<Vec<_>>().into())
}

fn product_sum(sizes: &[Span]) -> Option<f64> {
    sizes.iter().map(|size| size.exact()).sum()
}

fn sliced(call: &Call<'_>) -> Result<OpFootprint, String> {
    let value = call.arg(0)?;
    let listed = |name: &str, index: usize| {
        Ok::<_, String>(match call.moved(name, index)? {
            Some(list) => list.iter().map(|at| Span::stored(*at as f64)).collect::<Option<Vec<_>>>(),
            None => call.held(index).ok().map(<[Span]>::to_vec),
        })
    };
    let starts = listed("starts", 1)?;
    let ends = listed("ends", 2)?;
    let axes: Vec<i64> = match call.moved("axes", 3)? {
        Some(axes) => axes.to_vec(),
        None if call.maybe(3).is_some() => call.exact(3)?,
        None => {
            let ends = call.maybe(2).and_then(Value::exact_elements).or(starts.as_ref().map(Vec::len));
            (0..ends.ok_or("does not say which axes it cuts")? as i64).collect()
        }
    };
    let steps = match call.maybe(4) {
        Some(_) => call.exact(4)?,
        None => vec![1; axes.len()],
    };
    if steps.len() != axes.len()
        || [&starts, &ends].iter().any(|list| list.as_ref().is_some_and(|l| l.len() != axes.len()))
    {
        return Err("has starts, ends, axes and steps of different numbers".to_owned());
    }
    let rank = value.rank();
    let mut dims = value.dims.clone();
    // Start and step of each axis, if they are known.
    let mut known: Option<Vec<(i64, i64)>> = Some(vec![(0, 1); rank]);
    for (i, at) in axes.iter().enumerate() {
        let at = axis(*at, rank)?;
        let step = steps[i];
        if step == 0 {
            return Err("takes steps of 0".to_owned());
        }
        let bounds = starts.as_ref().zip(ends.as_ref()).map(|(starts, ends)| (starts[i], ends[i]));
        let exact = bounds.and_then(|(start, end)| Some((start.whole()?, end.whole()?, dims[at].whole()?)));
        if let Some((start, end, size)) = exact {
            let (start, count) = cut(start, end, size, step);
            dims[at] = Span::exactly(count as f64);
            if let Some(known) = &mut known {
                known[at] = (start, step);
            }
        } else {
            // No more than exist, and no more than the slice asks for.
            let asked = bounds.filter(|(start, end)| start.lo >= 0.0 && end.lo >= 0.0 && step > 0);
            let most = asked.map_or(dims[at].hi, |(start, end)| (end.hi - start.lo).clamp(0.0, dims[at].hi));
            dims[at] = Span::up_to((most / step.unsigned_abs() as f64).ceil());
            known = None;
        }
    }
    let made = Value::new(value.element, dims);
    let held = known.and_then(|known| {
        taken(value, &made, |index| {
            let places = index.iter().zip(&known).map(|(at, (start, step))| start + *at as i64 * step);
            places.map(|place| usize::try_from(place).ok()).collect()
        })
    });
    Ok(made.holding(held).into())
}

/// Start and length of a slice.
fn cut(start: i64, end: i64, size: i64, step: i64) -> (i64, i64) {
    let counted = |at: i64| if at < 0 { at.saturating_add(size) } else { at };
    let ceil = |length: i64, step: i64| length / step + i64::from(length % step != 0);
    if step > 0 {
        let start = counted(start).clamp(0, size);
        let end = counted(end).clamp(0, size);
        (start, ceil((end - start).max(0), step))
    } else {
        let start = counted(start).clamp(-1, size - 1);
        let end = counted(end).clamp(-1, size - 1);
        (start, ceil((start - end).max(0), step.saturating_neg()))
    }
}

fn blocks(call: &Call<'_>) -> Result<OpFootprint, String> {
    let value = call.arg(0)?;
    let &[n, c, h, w] = &value.dims[..] else { return Err("takes [n, c, h, w]".to_owned()) };
    let side = call
        .int("blocksize")
        .filter(|side| (1..=1024).contains(side))
        .ok_or("has no block size of 1 to 1024")?;
    let side = side as f64;
    let times = |dim: Span, by: f64| dim.map(|size| (size * by).floor()).ok_or("makes more than 2^31 values");
    let (c, h, w) = if call.node.op_type() == "DepthToSpace" {
        (times(c, 1.0 / (side * side))?, times(h, side)?, times(w, side)?)
    } else {
        (times(c, side * side)?, times(h, 1.0 / side)?, times(w, 1.0 / side)?)
    };
    Ok(Value::new(value.element, vec![n, c, h, w]).into())
}
