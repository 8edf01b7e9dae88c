//! 3x3 convolutions of stride 1 and padding 1 by Winograd's algorithm `F(4x4, 3x3)`, which needs a quarter of the
//! multiplications.
//!
//! `Y = A^T [(G g G^T) · (B^T d B)] A` for tiles of 4x4 outputs: 36 products per tile and pair of channels become 36
//! matrix products. The input's gradient is the same with packed weights that are turned and transposed, the weights'
//! gradient is `G^T [sum of (B^T d B) · (A dY A^T)] G`.
//! A task takes a block of tiles through all three steps while it is in the second-level cache.
//!
//! Invariants: all cuts are functions of the shape; nothing outside the views is read or written.
//! Not here: the direct algorithm, and the choice between the two beyond [`pays`].

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

/// Fewest tiles, for every 128 input channels, for which reading 36 instead of 9 planes of weights is worth it: beyond that
/// the planes of a panel do not stay in the second-level cache.
const FEWEST_TILES: usize = 20;
const DEPTH: usize = 128;

/// Whether a convolution can be computed so.
pub(crate) fn applies(shape: &ConvShape) -> bool {
    let whole_segments = |c: usize| c > 0 && c.is_multiple_of(SEGMENT);
    shape.window() == Window::square(3, 1, 1)
        && whole_segments(shape.input().c)
        && whole_segments(shape.output().c)
        && shape.input().pixels() > 0
}

/// Whether a convolution is faster so, in all its directions.
pub(crate) fn pays(shape: &ConvShape) -> bool {
    let image = shape.input();
    let tiles = tiles(image);
    applies(shape)
        && tiles >= FEWEST_TILES * image.c.div_ceil(DEPTH)
        // Tiles that hang over the border do less than half of the saving.
        && image.pixels() * 9 >= tiles * PLANES * 2
}

/// Tiles of a batch.
fn tiles(image: Nhwc) -> usize {
    image.n * image.h.div_ceil(TILE) * image.w.div_ceil(TILE)
}

/// Values of packed weights.
pub(crate) fn packed_len(shape: &ConvShape) -> usize {
    PLANES * packed_pitch(shape)
}

/// Pixels of each part of the moments that [`Forward`] writes.
pub(crate) fn moment_counts(shape: &ConvShape) -> Vec<usize> {
    forward::moment_counts(shape)
}

/// How many there are.
pub(crate) fn moment_parts(shape: &ConvShape) -> usize {
    forward::moment_parts(shape)
}

/// Distance of the planes of packed weights.
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

/// Refuses a tensor that is not the batch `pixels` x `channels`.
fn tensor(label: &str, what: [&'static str; 2], view: &View, size: [usize; 2]) -> Result<(), KernelError> {
    for (what, (got, expected)) in what.into_iter().zip([view.pixels, view.channels].into_iter().zip(size)) {
        if got != expected {
            return Err(KernelError::Operand { label: label.to_owned(), what, got, expected });
        }
    }
    Ok(())
}

/// Refuses a shape of another algorithm.
fn check_shape(label: &str, shape: &ConvShape) -> Result<(), KernelError> {
    if applies(shape) {
        return Ok(());
    }
    let what = "the convolution's kernel and channels for Winograd's algorithm (3x3, stride 1, padding 1, segments of 16)";
    Err(KernelError::Operand { label: label.to_owned(), what, got: shape.window().area(), expected: 9 })
}
