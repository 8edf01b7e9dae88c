//! [`upload`] and [`download`]: wires between host (`[n, c, h, w]`) and device (`[c, n, h, w]`); also the
//! flat view `[c, n * h * w]`.

use bonsai_checkpoint::Array;
use candle_core::{Device, Result, Tensor};

use crate::ExecError;

/// Copies an array from host to device.
pub(super) fn upload(array: &Array, device: &Device, what: &str) -> std::result::Result<Tensor, ExecError> {
    let [n, c, h, w] = array.shape()[..] else {
        let expected = "4 dimensions [n, c, h, w]".to_owned();
        return Err(ExecError::Shape { what: what.to_owned(), got: array.shape().to_vec(), expected });
    };
    let tensor = Tensor::from_slice(array.data(), (n, c, h, w), device)?;
    Ok(tensor.transpose(0, 1)?.contiguous()?)
}

/// Copies a wire from device to host.
pub(super) fn download(wire: &Tensor) -> std::result::Result<Array, ExecError> {
    let host = wire.transpose(0, 1)?.contiguous()?;
    Ok(Array::new(host.dims(), host.flatten_all()?.to_vec1()?))
}

/// Views `[c, n, h, w]` as `[c, n * h * w]`.
pub(super) fn flat(wire: &Tensor) -> Result<Tensor> {
    wire.flatten_from(1)
}

/// Extends `[c, n, h, w]` by `top, bottom, left, right` rows and columns filled with `value`.
pub(super) fn pad(wire: &Tensor, [top, bottom, left, right]: [usize; 4], value: f32) -> Result<Tensor> {
    let mut wire = wire.clone();
    for (dim, before, after) in [(2, top, bottom), (3, left, right)] {
        if before + after == 0 {
            continue;
        }
        let block = |size: usize| {
            let mut dims = wire.dims().to_vec();
            dims[dim] = size;
            Tensor::full(value, dims, wire.device())
        };
        let mut parts = Vec::with_capacity(3);
        if before > 0 {
            parts.push(block(before)?);
        }
        parts.push(wire.clone());
        if after > 0 {
            parts.push(block(after)?);
        }
        wire = Tensor::cat(&parts, dim)?;
    }
    Ok(wire)
}

/// A view of every `stride`-th row from `row` and column from `col`, `h` x `w` of them. The tensor must be
/// contiguous, and `start + size * stride`, rounded up to whole strides, must lie within it.
pub(super) fn strided(
    wire: &Tensor,
    stride: usize,
    (row, h): (usize, usize),
    (col, w): (usize, usize),
) -> Result<Tensor> {
    if stride == 1 {
        return wire.narrow(2, row, h)?.narrow(3, col, w);
    }
    let (c, n, hp, wp) = wire.dims4()?;
    let cells = wire.reshape((c, n, hp / stride, stride, wp / stride, stride))?;
    let rows = cells.narrow(2, row / stride, h)?.narrow(3, row % stride, 1)?;
    rows.narrow(4, col / stride, w)?.narrow(5, col % stride, 1)?.squeeze(5)?.squeeze(3)
}
