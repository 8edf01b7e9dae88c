//! [`forward`] and [`backward`] of max-pool as two passes of shifted maxima, padded with minus infinity.
//!
//! As in PyTorch, the gradient goes to the first maximum in row-major order: the first row with the maximum,
//! and the first column within it. The forward pass pools rows last, so the two passes preserve this rule.

use candle_core::{DType, Result, Tensor};

use super::conv::ConvSpec;
use super::wire::pad;

/// `x` `[c, n, h, w]` to `[c, n, oh, ow]`.
pub(super) fn forward(spec: ConvSpec, x: &Tensor, (oh, ow): (usize, usize)) -> Result<Tensor> {
    let rows = Axis::Columns.pool(spec, x, ow)?;
    Axis::Rows.pool(spec, &rows, oh)
}

/// Gradient of the input.
pub(super) fn backward(spec: ConvSpec, x: &Tensor, y: &Tensor, dy: &Tensor) -> Result<Tensor> {
    let rows = Axis::Columns.pool(spec, x, y.dim(3)?)?;
    let d_rows = Axis::Rows.unpool(spec, &rows, y, dy)?;
    Axis::Columns.unpool(spec, x, &rows, &d_rows)
}

#[derive(Clone, Copy)]
enum Axis {
    Rows,
    Columns,
}

impl Axis {
    const fn dim(self) -> usize {
        match self {
            Self::Rows => 2,
            Self::Columns => 3,
        }
    }

    /// For each tap, the view of the padded input with one value per output, in order.
    fn taps(self, spec: ConvSpec, x: &Tensor, steps: usize) -> Result<Vec<Tensor>> {
        let ConvSpec { kernel, stride, padding } = spec;
        let size = x.dim(self.dim())?;
        let whole = ((steps - 1) * stride + kernel).max(size + padding).div_ceil(stride) * stride;
        let after = whole - size - padding;
        let h = x.dim(2)?;
        let w = x.dim(3)?;
        let (pads, other) = match self {
            Self::Rows => ([padding, after, 0, 0], w),
            Self::Columns => ([0, 0, padding, after], h),
        };
        let padded = pad(x, pads, f32::NEG_INFINITY)?.contiguous()?;
        (0..kernel)
            .map(|i| match self {
                Self::Rows => axis_stride(&padded, 2, stride, i, steps, other),
                Self::Columns => axis_stride(&padded, 3, stride, i, steps, other),
            })
            .collect()
    }

    fn pool(self, spec: ConvSpec, x: &Tensor, steps: usize) -> Result<Tensor> {
        let taps = self.taps(spec, x, steps)?;
        let mut y = taps[0].contiguous()?;
        for tap in &taps[1..] {
            y = y.maximum(tap)?;
        }
        Ok(y)
    }

    /// Adds `dy` to the first tap that equals `y`.
    fn unpool(self, spec: ConvSpec, x: &Tensor, y: &Tensor, dy: &Tensor) -> Result<Tensor> {
        let ConvSpec { kernel, stride, padding } = spec;
        let dim = self.dim();
        let size = x.dim(self.dim())?;
        let steps = y.dim(self.dim())?;
        let mut unclaimed = dy.clone();
        // Number of positions per phase along the axis of the padded input.
        let whole = ((steps - 1) * stride + kernel).max(size + padding).div_ceil(stride);
        let mut phases: Vec<Option<Tensor>> = vec![None; stride];
        for (i, tap) in self.taps(spec, x, steps)?.iter().enumerate() {
            let hit = tap.eq(y)?.to_dtype(DType::F32)?;
            let claimed = (&unclaimed * hit)?;
            unclaimed = (unclaimed - &claimed)?;
            let before = i / stride;
            let placed = claimed.pad_with_zeros(dim, before, whole - before - steps)?;
            let phase = &mut phases[i % stride];
            *phase = Some(match phase.take() {
                Some(sum) => (sum + placed)?,
                None => placed,
            });
        }
        let mut dims = dy.dims().to_vec();
        dims[dim] = whole;
        let phases = phases
            .into_iter()
            .map(|p| p.map_or_else(|| Tensor::zeros(dims.as_slice(), DType::F32, dy.device()), Ok))
            .collect::<Result<Vec<_>>>()?;
        let mut full = dims.clone();
        full[dim] = whole * stride;
        let padded =
            if stride == 1 { phases[0].clone() } else { Tensor::stack(&phases, dim + 1)?.reshape(full)? };
        padded.narrow(dim, padding, size)?.contiguous()
    }
}

/// Every `stride`-th position of one axis from `start` on, and all positions of the other axis.
fn axis_stride(
    padded: &Tensor,
    dim: usize,
    stride: usize,
    start: usize,
    steps: usize,
    other: usize,
) -> Result<Tensor> {
    if stride == 1 {
        return padded.narrow(dim, start, steps);
    }
    let (c, n, h, w) = padded.dims4()?;
    let folded = if dim == 2 {
        padded.reshape((c, n, h / stride, stride, other))?.narrow(2, start / stride, steps)?
    } else {
        padded.reshape((c, n, other, w / stride, stride))?.narrow(3, start / stride, steps)?
    };
    folded.narrow(dim + 1, start % stride, 1)?.squeeze(dim + 1)
}
