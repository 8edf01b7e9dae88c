//! [`forward`] and [`backward`] of nearest-neighbour upsampling: forward repeats, backward sums.

use candle_core::{Result, Tensor};

/// Upsamples `[c, n, h, w]` to `[c, n, scale * h, scale * w]`.
pub(super) fn forward(x: &Tensor, scale: usize) -> Result<Tensor> {
    let (c, n, h, w) = x.dims4()?;
    let cells = x.reshape((c, n, h, 1, w, 1))?.broadcast_as((c, n, h, scale, w, scale))?;
    cells.reshape((c, n, h * scale, w * scale))
}

/// Gradient of the input.
pub(super) fn backward(dy: &Tensor, scale: usize) -> Result<Tensor> {
    let (c, n, h, w) = dy.dims4()?;
    dy.contiguous()?.reshape((c, n, h / scale, scale, w / scale, scale))?.sum((3, 5))
}
