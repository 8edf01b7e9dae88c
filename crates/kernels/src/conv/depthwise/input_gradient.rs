//! Depthwise convolution, gradient of the input: each input pixel asks the outputs that read it.

use super::Parts;
use super::rows::{Row, Start};
use super::taps::{Tiles, Way};
use crate::ConvShape;
use crate::memory::{Memory, Operand, View};
use crate::program::Kernel;
use crate::simd::Simd;

/// `dx (+)= ` what `dy` says of it.
pub(crate) struct InputGradient {
    shape: ConvShape,
    parts: Parts,
    tiles: Tiles,
    dy: View,
    weights: View,
    dx: View,
    accumulate: bool,
}

impl InputGradient {
    /// `weights` are `[tap][channel]`.
    pub(crate) fn new(shape: ConvShape, dy: View, weights: View, dx: View, accumulate: bool) -> Self {
        let (input, output) = (shape.input(), shape.output());
        let tiles = Tiles::new(Way::Backward, &shape.window(), input.w, output.w);
        Self { shape, parts: Parts::new(input), tiles, dy, weights, dx, accumulate }
    }
}

// SAFETY: a task writes the pixels of its part.
unsafe impl Kernel for InputGradient {
    fn operands(&self) -> Vec<Operand> {
        vec![self.dy.read(), self.weights.read(), self.dx.store(self.accumulate)]
    }

    fn tasks(&self) -> usize {
        self.parts.count()
    }

    #[inline(always)]
    unsafe fn run<S: Simd>(&self, s: S, memory: Memory<'_>, task: usize, _scratch: *mut f32) {
        let part = self.parts.part(task);
        let (input, output, window) = (self.shape.input(), self.shape.output(), self.shape.window());
        // SAFETY: the kernel's contract; `Conv` has compared the sizes of all operands with the shape.
        unsafe {
            for iy in part.rows {
                Row {
                    tiles: &self.tiles,
                    rows: Way::Backward.taps(&window, 0, iy, output.h),
                    from: memory.at(&self.dy).add(part.image * output.h * output.w * self.dy.ld),
                    from_ld: self.dy.ld,
                    from_w: output.w,
                    weights: memory.at(&self.weights),
                    kernel_w: window.kernel[1],
                    channels: input.c,
                    to: memory.at(&self.dx).add((part.image * input.h + iy) * input.w * self.dx.ld),
                    to_ld: self.dx.ld,
                    start: if self.accumulate { Start::There } else { Start::Zero },
                }
                .compute(s);
            }
        }
    }
}
