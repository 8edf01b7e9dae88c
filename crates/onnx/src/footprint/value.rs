//! [`Value`]: the known facts about a tensor before a file runs: type, dimensions, and a few numbers.

use super::span::Span;
use crate::proto::tensor_proto::DataType;

/// Most numbers that are kept of a tensor; only a few decide sizes.
pub(super) const HELD: usize = 256;
/// Most numbers of a tensor: far below the counts that wrap around in 32 bits.
const MOST: f64 = 1_073_741_824.0;
/// Most dimensions of a tensor.
const MOST_AXES: usize = 8;

/// The known facts about a tensor.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Value {
    /// ONNX's number of the element type.
    pub(super) element: i32,
    /// Dimensions, outermost first.
    pub(super) dims: Vec<Span>,
    /// Its numbers, row-major, if they are few and known.
    pub(super) held: Option<Vec<Span>>,
}

impl Value {
    pub(super) fn new(element: i32, dims: Vec<Span>) -> Self {
        Self { element, dims, held: None }
    }

    /// A list of integers.
    pub(super) fn list(held: Vec<Span>) -> Self {
        let dims = vec![Span::size(held.len())];
        Self { element: DataType::Int64.into(), dims, held: Some(held) }
    }

    /// Adds numbers, if they are all known, few, and as many as the dimensions require.
    ///
    /// Floating-point numbers are rounded to 32 bits as a runtime rounds them, because terms that cancel in
    /// 64 bits need not cancel in 32. Numbers of 16 or 64 bits are not kept, because rten computes them in
    /// 32.
    pub(super) fn holding(mut self, held: Option<Vec<Span>>) -> Self {
        let rounded = |held: Vec<Span>| match DataType::try_from(self.element) {
            Ok(DataType::Float) => held.into_iter().map(|span| span.map(|x| f64::from(x as f32))).collect(),
            Ok(DataType::Float16 | DataType::Bfloat16 | DataType::Double) => None,
            _ => Some(held),
        };
        let fits = |held: &Vec<Span>| held.len() <= HELD && self.exact_elements() == Some(held.len());
        self.held = held.filter(fits).and_then(rounded);
        self
    }

    pub(super) fn rank(&self) -> usize {
        self.dims.len()
    }

    /// The dimensions, if they do not depend on the picture.
    pub(super) fn exact_dims(&self) -> Option<Vec<usize>> {
        self.dims.iter().map(|dim| dim.exact().map(|size| size as usize)).collect()
    }

    /// The number of elements, if it does not depend on the picture and can be counted: a value that
    /// [`check`](Self::check) has not seen may have any dimensions.
    pub(super) fn exact_elements(&self) -> Option<usize> {
        self.exact_dims()?.into_iter().try_fold(1usize, usize::checked_mul)
    }

    /// The largest possible number of elements.
    pub(super) fn elements(&self) -> f64 {
        self.dims.iter().map(|dim| dim.hi).product()
    }

    /// Bytes that a runtime allocates for it: no runtime uses less than 4 bytes per number while it computes.
    pub(super) fn bytes(&self) -> f64 {
        let wide =
            [DataType::Int64, DataType::Uint64, DataType::Double].map(i32::from).contains(&self.element);
        self.elements() * if wide { 8.0 } else { 4.0 }
    }

    /// Refuses sizes that overflow the integers of a runtime. A dimension of 0 does not make the others
    /// harmless: runtimes multiply the others first.
    pub(super) fn check(&self) -> Result<(), String> {
        if self.rank() > MOST_AXES {
            return Err(format!("makes a tensor of {} dimensions, of at most {MOST_AXES}", self.rank()));
        }
        let product: f64 = self.dims.iter().map(|dim| dim.hi.max(1.0)).product();
        if self.dims.iter().any(|dim| dim.lo < 0.0 || dim.hi < dim.lo) || product > MOST {
            return Err(format!("makes a tensor of {}, which is more than {MOST} values", self.shape()));
        }
        Ok(())
    }

    /// The dimensions as text: `[1, 84, <=300]`.
    pub(super) fn shape(&self) -> String {
        let dim = |dim: &Span| match dim.exact() {
            Some(size) => size.to_string(),
            None => format!("<={}", dim.hi),
        };
        format!("[{}]", self.dims.iter().map(dim).collect::<Vec<_>>().join(", "))
    }
}

/// Positions, in a row-major tensor of `dims`, of the elements that a tensor of `sizes` takes from it.
/// `place` maps an index of the latter to one of the former.
pub(super) fn gathered(
    dims: &[usize],
    sizes: &[usize],
    place: impl Fn(&[usize]) -> Option<Vec<usize>>,
) -> Option<Vec<usize>> {
    let count = sizes.iter().try_fold(1usize, |all, size| all.checked_mul(*size)).filter(|n| *n <= HELD)?;
    let mut index = vec![0; sizes.len()];
    let mut places = Vec::with_capacity(count);
    for _ in 0..count {
        let from = place(&index)?;
        let flat = from
            .iter()
            .zip(dims)
            .try_fold(0usize, |flat, (at, size)| (at < size).then(|| flat * size + at))?;
        places.push(flat);
        for axis in (0..sizes.len()).rev() {
            index[axis] += 1;
            if index[axis] < sizes[axis] {
                break;
            }
            index[axis] = 0;
        }
    }
    Some(places)
}
