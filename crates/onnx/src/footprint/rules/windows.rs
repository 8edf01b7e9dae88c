//! Operators that read neighbouring pixels: convolutions, pooling, resizing, padding.

use super::super::call::{Call, OpFootprint, axis};
use super::super::span::Span;
use super::super::value::Value;
use crate::proto::tensor_proto::DataType;

/// Largest kernel, stride, dilation or padding along an axis, in pixels; no detector has a larger one.
const LONGEST: i64 = 4096;

pub(super) fn made(call: &Call<'_>) -> Option<Result<OpFootprint, String>> {
    Some(match call.node.op_type() {
        "Conv" => convolved(call, None),
        "ConvInteger" => convolved(call, Some(DataType::Int32)),
        "ConvTranspose" => spread(call),
        "MaxPool" | "AveragePool" => pooled(call),
        "GlobalAveragePool" | "GlobalMaxPool" => call.arg(0).map(|value| {
            let mut dims = value.dims.clone();
            dims.iter_mut().skip(2).for_each(|dim| *dim = Span::size(1));
            OpFootprint { work: value.elements(), ..Value::new(value.element, dims).into() }
        }),
        "Resize" | "Upsample" => resized(call),
        "Pad" => padded(call),
        "GridSample" => sampled(call),
        _ => return None,
    })
}

/// The window of a node along its spatial axes.
struct Window {
    kernel: Vec<i64>,
    strides: Vec<i64>,
    gaps: Vec<i64>,
    /// Padding before and after each axis; `None` if the node asks for padding that keeps the size.
    pads: Option<Vec<i64>>,
}

impl Window {
    fn from_call(call: &Call<'_>, kernel: Vec<i64>) -> Result<Self, String> {
        let axes = kernel.len();
        let list = |name: &'static str, least: i64, count: usize| {
            let list = call.ints(name).map_or_else(|| vec![least; count], <[i64]>::to_vec);
            if list.len() != count || list.iter().any(|number| !(least..=LONGEST).contains(number)) {
                return Err(format!(
                    "has {name} {list:?}; {count} numbers of {least} to {LONGEST} were expected"
                ));
            }
            Ok(list)
        };
        if kernel.iter().any(|side| !(1..=LONGEST).contains(side)) {
            return Err(format!("has a kernel of {kernel:?}; sides of 1 to {LONGEST} were expected"));
        }
        if let Some(said) = call.ints("kernel_shape").filter(|said| *said != kernel) {
            return Err(format!("has kernel_shape {said:?} and a kernel of {kernel:?}"));
        }
        let pads = match call.word("auto_pad").as_str() {
            "" | "NOTSET" => Some(list("pads", 0, 2 * axes)?),
            "VALID" => Some(vec![0; 2 * axes]),
            _ => None,
        };
        Ok(Self { strides: list("strides", 1, axes)?, gaps: list("dilations", 1, axes)?, kernel, pads })
    }

    /// Number of positions of the window along an axis.
    fn places(&self, at: usize, size: Span, up: bool) -> Result<Span, String> {
        let stride = self.strides[at] as f64;
        let Some(pads) = &self.pads else {
            return size.map(|size| (size / stride).ceil()).ok_or_else(|| "is too large".to_owned());
        };
        let edges = (pads[at] + pads[at + self.kernel.len()]) as f64;
        let reach = ((self.kernel[at] - 1) * self.gaps[at] + 1) as f64;
        if size.hi + edges < reach {
            return Err(format!(
                "has a kernel that reaches over {reach} pixels, in {} pixels",
                size.hi + edges
            ));
        }
        let places = |size: f64| {
            let steps = ((size + edges - reach) / stride).max(0.0);
            (if up { steps.ceil() } else { steps.floor() }) + 1.0
        };
        size.map(places).ok_or_else(|| "is too large".to_owned())
    }

    fn area(&self) -> f64 {
        self.kernel.iter().map(|side| *side as f64).product()
    }
}

/// Dimensions of weights, which must be known.
fn sides(value: &Value) -> Result<Vec<i64>, String> {
    let sides = value.exact_dims().ok_or("has a kernel whose size depends on the picture")?;
    Ok(sides.into_iter().map(|side| side as i64).collect())
}

/// The input, the dimensions `[m, c, ...]` of the weights and the number of groups of a convolution.
fn weighted<'a>(call: &Call<'a>) -> Result<(&'a Value, Vec<i64>, f64), String> {
    let value = call.arg(0)?;
    let weights = call.arg(1)?;
    let kernel = sides(weights)?;
    if value.rank() < 3 || kernel.len() != value.rank() {
        return Err(format!("moves a kernel {} over {}", weights.shape(), value.shape()));
    }
    let groups = call.int("group").unwrap_or(1);
    if groups < 1 || groups > kernel[0].max(kernel[1]) || kernel[0].min(kernel[1]) < 1 {
        return Err(format!("has {groups} groups with a kernel {}", weights.shape()));
    }
    Ok((value, kernel, groups as f64))
}

fn convolved(call: &Call<'_>, element: Option<DataType>) -> Result<OpFootprint, String> {
    let (value, kernel, groups) = weighted(call)?;
    let fits = value.dims[1].exact() == Some(kernel[1] as f64 * groups) && kernel[0] as f64 % groups == 0.0;
    let biased = element.is_none().then(|| call.maybe(2)).flatten();
    if !fits || biased.is_some_and(|bias| bias.exact_elements() != Some(kernel[0] as usize)) {
        return Err(format!(
            "moves a kernel {kernel:?} in {groups} groups over {}, which do not fit, or its bias does not",
            value.shape()
        ));
    }
    let window = Window::from_call(call, kernel[2..].to_vec())?;
    let mut dims = vec![value.dims[0], Span::exactly(kernel[0] as f64)];
    for (at, size) in value.dims[2..].iter().enumerate() {
        dims.push(window.places(at, *size, false)?);
    }
    let made = Value::new(element.map_or(value.element, i32::from), dims);
    Ok(OpFootprint { work: made.elements() * window.area() * kernel[1] as f64, ..made.into() })
}

fn spread(call: &Call<'_>) -> Result<OpFootprint, String> {
    let (value, kernel, groups) = weighted(call)?;
    if value.dims[1].exact() != Some(kernel[0] as f64) || kernel[0] as f64 % groups != 0.0 {
        return Err(format!("spreads a kernel {kernel:?} in {groups} groups over {}", value.shape()));
    }
    if call.ints("output_shape").is_some() {
        return Err("asks for an output of a given shape, which is not checked yet".to_owned());
    }
    let window = Window::from_call(call, kernel[2..].to_vec())?;
    let axes = window.kernel.len();
    let added = call.ints("output_padding").map_or_else(|| vec![0; axes], <[i64]>::to_vec);
    if added.len() != axes || added.iter().any(|pad| !(0..=LONGEST).contains(pad)) {
        return Err(format!("has output_padding {added:?}"));
    }
    let mut dims = vec![value.dims[0], Span::exactly(kernel[1] as f64 * groups)];
    for (at, size) in value.dims[2..].iter().enumerate() {
        let reach = ((window.kernel[at] - 1) * window.gaps[at] + 1) as f64;
        let edges = window.pads.as_ref().map_or(0, |pads| pads[at] + pads[at + axes]) as f64;
        let stride = window.strides[at] as f64;
        let side = |size: f64| ((size - 1.0) * stride + reach + added[at] as f64 - edges).max(0.0);
        dims.push(size.map(side).ok_or("is too large")?);
    }
    let made = Value::new(value.element, dims);
    // rten makes a column for every element of the kernel before it adds them up.
    let columns = value.elements() / kernel[0] as f64 * kernel[1] as f64 * groups * window.area();
    Ok(OpFootprint { work: columns * kernel[0] as f64 / groups, scratch: columns * 4.0, outputs: vec![made] })
}

fn pooled(call: &Call<'_>) -> Result<OpFootprint, String> {
    let value = call.arg(0)?;
    let kernel = call.ints("kernel_shape").ok_or("has no kernel_shape")?.to_vec();
    if value.rank() != kernel.len() + 2 {
        return Err(format!("moves a window {kernel:?} over {}", value.shape()));
    }
    let window = Window::from_call(call, kernel)?;
    let up = call.int("ceil_mode").unwrap_or(0) != 0;
    let mut dims = value.dims[..2].to_vec();
    for (at, size) in value.dims[2..].iter().enumerate() {
        dims.push(window.places(at, *size, up)?);
    }
    let made = Value::new(value.element, dims);
    let mut outputs = call.alike(&made);
    outputs.iter_mut().skip(1).for_each(|indices| indices.element = DataType::Int64.into());
    Ok(OpFootprint { work: made.elements() * window.area(), outputs, scratch: 0.0 })
}

fn resized(call: &Call<'_>) -> Result<OpFootprint, String> {
    let value = call.arg(0)?;
    // Up to opset 10 factors are the only other input; from 11 on, a region of interest comes before them.
    let (factors, sizes) = match (call.node.op_type(), call.opset) {
        ("Upsample", _) | (_, ..=10) => (1, usize::MAX),
        _ => (2, 3),
    };
    if sizes == usize::MAX && call.inputs.len() > 2 {
        return Err("has more inputs than a picture and factors".to_owned());
    }
    if !matches!(call.word("keep_aspect_ratio_policy").as_str(), "" | "stretch") {
        return Err(
            "asks for sizes that are changed to keep the picture's shape, which are not checked".to_owned()
        );
    }
    let given = |index: usize| {
        let given = call.maybe(index).filter(|value| value.exact_elements() != Some(0));
        given.map(|_| call.held(index).map(<[Span]>::to_vec)).transpose()
    };
    let stored =
        call.floats("scales").map(|list| list.iter().map(|f| Span::exactly(f64::from(*f))).collect());
    let factors = given(factors)?;
    if factors.is_some() && stored.is_some() {
        return Err("has `scales` as an attribute and as an input".to_owned());
    }
    let factors = factors.or(stored);
    let sizes = if sizes == usize::MAX { None } else { given(sizes)? };
    if factors.is_some() && sizes.is_some() {
        return Err("has both sizes and factors".to_owned());
    }
    let rank = value.rank();
    let axes: Vec<usize> = match call.ints("axes") {
        Some(axes) => axes.iter().map(|at| axis(*at, rank)).collect::<Result<_, _>>()?,
        None => (0..rank).collect(),
    };
    let mut dims = value.dims.clone();
    let numbers = sizes.as_ref().or(factors.as_ref()).ok_or("says neither a size nor a factor")?;
    if numbers.len() != axes.len() || numbers.iter().any(|number| number.lo < 0.0 || !number.hi.is_finite()) {
        return Err(format!("resizes {} by {} numbers, or by negative ones", value.shape(), numbers.len()));
    }
    for (at, number) in axes.iter().zip(numbers) {
        dims[*at] = match &sizes {
            Some(_) => *number,
            None => dims[*at].with(*number, |size, by| (size * by).floor()).ok_or("is too large")?,
        };
    }
    let made = Value::new(value.element, dims);
    Ok(OpFootprint { work: made.elements() * 16.0, ..made.into() })
}

fn padded(call: &Call<'_>) -> Result<OpFootprint, String> {
    let value = call.arg(0)?;
    let rank = value.rank();
    let pads: Vec<Span> = match call.moved("pads", 1)? {
        Some(pads) => pads.iter().map(|pad| Span::exactly(*pad as f64)).collect(),
        None => call.held(1)?.to_vec(),
    };
    let axes: Vec<usize> = match call.maybe(3) {
        Some(_) => call.exact(3)?.into_iter().map(|at| axis(at, rank)).collect::<Result<_, _>>()?,
        None => (0..rank).collect(),
    };
    if pads.len() != 2 * axes.len() {
        return Err(format!("has {} edges for {} axes", pads.len(), axes.len()));
    }
    let mut dims = value.dims.clone();
    for (i, at) in axes.iter().enumerate() {
        let before = pads[i];
        let behind = pads[i + axes.len()];
        let all = dims[*at].with(before, |a, b| a + b).and_then(|all| all.with(behind, |a, b| a + b));
        let all = all.ok_or("makes more than 2^31 values")?;
        dims[*at] = Span { lo: all.lo.max(0.0), hi: all.hi.max(0.0) };
    }
    Ok(Value::new(value.element, dims).into())
}

fn sampled(call: &Call<'_>) -> Result<OpFootprint, String> {
    let value = call.arg(0)?;
    let grid = call.arg(1)?;
    match (&value.dims[..], &grid.dims[..]) {
        (&[n, c, _, _], &[_, h, w, two]) if two.exact() == Some(2.0) => {
            let made = Value::new(value.element, vec![n, c, h, w]);
            Ok(OpFootprint { work: made.elements() * 16.0, ..made.into() })
        }
        _ => Err(format!("samples {} at {}", value.shape(), grid.shape())),
    }
}
