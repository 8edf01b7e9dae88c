//! [`Forward`]: Winograd's algorithm `F(4x4, 3x3)` for 3x3 convolutions of stride 1 and padding 1, which
//! needs a quarter of the multiplications of the direct algorithm.
//!
//! `Y = A^T [(G g G^T) · (B^T d B)] A` for tiles of 4x4 outputs: the 36 products per tile and pair of
//! channels become 36 matrix products. The gradient of the input is the same with rotated and transposed
//! weights; the gradient of the weights is `G^T [sum of (B^T d B) · (A dY A^T)] G`. A task takes a block of
//! tiles through all three steps while it is in the second-level cache.
//!
//! Invariants: all divisions of work depend on the shape alone; no value outside the views is read or
//! written. The direct algorithm and the final choice between the two, beyond [`pays`], are in
//! [`conv`](crate::conv).

mod blocks;
mod forward;
mod input;
mod multiply;
mod output;
mod pack;
mod points;
mod prefetch;
mod weight_gradient;

#[cfg(test)]
mod tests;

pub(crate) use forward::Forward;
pub(crate) use pack::{Pack, Source};
pub(crate) use weight_gradient::{partials_len, push_weight_gradient};

use self::blocks::{PLANES, TILE, plane_pitch};
use crate::{ConvShape, KernelError, Nhwc, SEGMENT, View, Window};

/// Fewest tiles, for every 128 input channels, for which reading 36 instead of 9 planes of weights pays off:
/// with more channels the planes of a panel do not stay in the second-level cache.
const FEWEST_TILES: usize = 20;
const DEPTH: usize = 128;

/// Whether the algorithm applies to a convolution.
pub(crate) fn applies(shape: &ConvShape) -> bool {
    let whole_segments = |c: usize| c > 0 && c.is_multiple_of(SEGMENT);
    shape.window() == Window::square(3, 1, 1)
        && whole_segments(shape.input().c)
        && whole_segments(shape.output().c)
        && shape.input().pixels() > 0
}

/// Whether the algorithm is faster than the direct one, over all directions.
pub(crate) fn pays(shape: &ConvShape) -> bool {
    let image = shape.input();
    let tiles = tiles(image);
    applies(shape)
        && tiles >= FEWEST_TILES * image.c.div_ceil(DEPTH)
        // Tiles that cross the border must waste less than half of the saving.
        && image.pixels() * 9 >= tiles * PLANES * 2
}

/// Number of tiles in a batch.
fn tiles(image: Nhwc) -> usize {
    image.n * image.h.div_ceil(TILE) * image.w.div_ceil(TILE)
}

/// Number of values of packed weights.
pub(crate) fn packed_len(shape: &ConvShape) -> usize {
    PLANES * packed_pitch(shape)
}

/// Number of pixels in each part of the moments that [`Forward`] writes.
pub(crate) fn moment_counts(shape: &ConvShape) -> Vec<usize> {
    forward::moment_counts(shape)
}

/// Number of parts of the moments.
pub(crate) fn moment_parts(shape: &ConvShape) -> usize {
    forward::moment_parts(shape)
}

/// Distance between the planes of packed weights.
fn packed_pitch(shape: &ConvShape) -> usize {
    plane_pitch(shape.input().c * shape.output().c)
}

/// The first `len` values of a contiguous view.
fn contiguous(label: &str, what: &'static str, view: &View, len: usize) -> Result<View, KernelError> {
    let contiguous = view.pixels <= 1 || view.ld == view.channels;
    let got = if contiguous { view.pixels.saturating_mul(view.channels) } else { 0 };
    if got < len {
        return Err(KernelError::Operand { label: label.to_owned(), what, got, expected: len });
    }
    Ok(View::vector(view.buffer, view.offset, len))
}

/// Returns an error unless `view` has size `[pixels, channels]`.
fn tensor(label: &str, what: [&'static str; 2], view: &View, size: [usize; 2]) -> Result<(), KernelError> {
    for (what, (got, expected)) in what.into_iter().zip([view.pixels, view.channels].into_iter().zip(size)) {
        if got != expected {
            return Err(KernelError::Operand { label: label.to_owned(), what, got, expected });
        }
    }
    Ok(())
}

/// Returns an error if the algorithm does not apply to the shape.
fn check_shape(label: &str, shape: &ConvShape) -> Result<(), KernelError> {
    if applies(shape) {
        return Ok(());
    }
    let what = "the convolution's kernel and channels for Winograd's algorithm (3x3, stride 1, padding 1, segments of 16)";
    Err(KernelError::Operand { label: label.to_owned(), what, got: shape.window().area(), expected: 9 })
}
