//! [`Pass`]: the common part of the forward pass and the input gradient, which computes every row of one side
//! from the other side.

use super::rows::{Row, Start};
use super::taps::{Tiles, Way};
use super::{Part, Parts};
use crate::memory::Memory;
use crate::simd::Simd;
use crate::view::{Operand, View};
use crate::{ConvShape, Nhwc, Window};

/// A pass over the rows that it writes, divided into parts.
pub(super) struct Pass {
    way: Way,
    window: Window,
    /// Shapes of the side that is read and of the side that is written.
    read: Nhwc,
    written: Nhwc,
    parts: Parts,
    tiles: Tiles,
    from: View,
    weights: View,
    to: View,
}

impl Pass {
    /// A pass that reads the input and writes the output, or the reverse. The weights are `[tap][channel]`.
    pub(super) fn new(way: Way, shape: ConvShape, from: View, weights: View, to: View) -> Self {
        let (read, written) = match way {
            Way::Forward => (shape.input(), shape.output()),
            Way::Backward => (shape.output(), shape.input()),
        };
        let window = shape.window();
        let tiles = Tiles::new(way, &window, written.w, read.w);
        Self { way, window, read, written, parts: Parts::new(written), tiles, from, weights, to }
    }

    /// Operands that the pass reads.
    pub(super) fn operands(&self) -> [Operand; 2] {
        [self.from.read(), self.weights.read()]
    }

    /// View that the pass writes.
    pub(super) fn to(&self) -> &View {
        &self.to
    }

    /// Number of channels, and pixels per row, of the side that is written.
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

    /// Index of the first pixel of a row in the batch.
    #[inline(always)]
    pub(super) fn first_pixel(&self, image: usize, row: usize) -> usize {
        (image * self.written.h + row) * self.written.w
    }

    /// Computes row `row` of image `image`.
    ///
    /// # Safety
    /// The operands were checked for this memory, the views have the sizes of the shape, the row exists, no
    /// other task writes it, and a start bias has a value for every channel.
    #[inline(always)]
    pub(super) unsafe fn row<S: Simd>(
        &self,
        s: S,
        memory: Memory<'_>,
        image: usize,
        row: usize,
        start: Start,
    ) {
        // SAFETY: guaranteed by the caller.
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
