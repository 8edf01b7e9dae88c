//! What the forward pass and the gradient of the input share: every row of one side, computed from the other side.

use super::rows::{Row, Start};
use super::taps::{Tiles, Way};
use super::{Part, Parts};
use crate::memory::{Memory, Operand, View};
use crate::simd::Simd;
use crate::{ConvShape, Nhwc, Window};

/// A pass over the rows that it writes, in parts.
pub(super) struct Pass {
    way: Way,
    window: Window,
    /// Shapes of what is read and of what is written.
    read: Nhwc,
    written: Nhwc,
    parts: Parts,
    tiles: Tiles,
    from: View,
    weights: View,
    to: View,
}

impl Pass {
    /// Reads the input and writes the output, or backward. `weights` are `[tap][channel]`.
    pub(super) fn new(way: Way, shape: ConvShape, from: View, weights: View, to: View) -> Self {
        let (read, written) = match way {
            Way::Forward => (shape.input(), shape.output()),
            Way::Backward => (shape.output(), shape.input()),
        };
        let window = shape.window();
        let tiles = Tiles::new(way, &window, written.w, read.w);
        Self { way, window, read, written, parts: Parts::new(written), tiles, from, weights, to }
    }

    /// What is read.
    pub(super) fn operands(&self) -> [Operand; 2] {
        [self.from.read(), self.weights.read()]
    }

    /// Where the rows are written.
    pub(super) fn to(&self) -> &View {
        &self.to
    }

    /// Channels and pixels in a row of what is written.
    pub(super) fn row_size(&self) -> (usize, usize) {
        (self.written.c, self.written.w)
    }

    /// Number of parts.
    pub(super) fn parts(&self) -> usize {
        self.parts.count()
    }

    #[inline(always)]
    pub(super) fn part(&self, index: usize) -> Part {
        self.parts.part(index)
    }

    /// Number of a row's first pixel in the batch.
    #[inline(always)]
    pub(super) fn first_pixel(&self, image: usize, row: usize) -> usize {
        (image * self.written.h + row) * self.written.w
    }

    /// Computes row `row` of image `image`.
    ///
    /// # Safety
    /// The memory is one in which the operands were checked, the views have the shape's sizes, the row is one of the shape's,
    /// nobody else writes it, and a bias to start from has a value for every channel.
    #[inline(always)]
    pub(super) unsafe fn row<S: Simd>(
        &self,
        s: S,
        memory: Memory<'_>,
        image: usize,
        row: usize,
        start: Start,
    ) {
        // SAFETY: the caller's promise.
        unsafe {
            Row {
                tiles: &self.tiles,
                rows: self.way.taps(&self.window, 0, row, self.read.h),
                from: memory.at(&self.from).add(image * self.read.h * self.read.w * self.from.ld),
                from_ld: self.from.ld,
                from_w: self.read.w,
                weights: memory.at(&self.weights),
                kernel_w: self.window.kernel[1],
                channels: self.written.c,
                to: memory.at(&self.to).add(self.first_pixel(image, row) * self.to.ld),
                to_ld: self.to.ld,
                start,
            }
            .compute(s);
        }
    }
}
