//! Depthwise convolution, forward.

use super::Parts;
use super::rows::{Row, Start};
use super::taps::{Tiles, Way};
use crate::conv::epilogue::{Epilogue, finish};
use crate::memory::{Memory, Operand, View};
use crate::program::Kernel;
use crate::simd::Simd;
use crate::{ConvShape, moments};

/// `y = conv(x)`, then the epilogue.
pub(crate) struct Forward {
    shape: ConvShape,
    parts: Parts,
    tiles: Tiles,
    x: View,
    weights: View,
    y: View,
    epilogue: Epilogue,
}

impl Forward {
    /// `weights` are `[tap][channel]`.
    pub(crate) fn new(shape: ConvShape, x: View, weights: View, y: View, epilogue: Epilogue) -> Self {
        let (input, output) = (shape.input(), shape.output());
        let tiles = Tiles::new(Way::Forward, &shape.window(), output.w, input.w);
        Self { shape, parts: Parts::new(output), tiles, x, weights, y, epilogue }
    }
}

// SAFETY: a task writes the pixels of its part, in `y` and in its rows of the moments.
unsafe impl Kernel for Forward {
    fn operands(&self) -> Vec<Operand> {
        let mut operands = vec![self.x.read(), self.weights.read(), self.y.write()];
        operands.extend(self.epilogue.operands());
        operands
    }

    fn tasks(&self) -> usize {
        self.parts.count()
    }

    #[inline(always)]
    unsafe fn run<S: Simd>(&self, s: S, memory: Memory<'_>, task: usize, _scratch: *mut f32) {
        let part = self.parts.part(task);
        let (input, output, window) = (self.shape.input(), self.shape.output(), self.shape.window());
        // The bias is where sums start; what follows it comes while a row is still in the cache.
        let rest = Epilogue { bias: None, ..self.epilogue };
        // SAFETY: the kernel's contract; `Conv` has compared the sizes of all operands with the shape.
        unsafe {
            let y = memory.at(&self.y);
            let start = match &self.epilogue.bias {
                Some(bias) => Start::Bias(memory.at(bias).cast_const()),
                None => Start::Zero,
            };
            for oy in part.rows.clone() {
                let first = (part.image * output.h + oy) * output.w;
                Row {
                    tiles: &self.tiles,
                    rows: Way::Forward.taps(&window, 0, oy, input.h),
                    from: memory.at(&self.x).add(part.image * input.h * input.w * self.x.ld),
                    from_ld: self.x.ld,
                    from_w: input.w,
                    weights: memory.at(&self.weights),
                    kernel_w: window.kernel[1],
                    channels: output.c,
                    to: y.add(first * self.y.ld),
                    to_ld: self.y.ld,
                    start,
                }
                .compute(s);
                if self.epilogue.moments.is_none() {
                    finish(s, memory, &rest, &self.y, [first, output.w], [0, output.c]);
                }
            }
            if let Some(to) = &self.epilogue.moments {
                let (first, pixels) = (part.pixels.start, part.pixels.len());
                let mean = memory.at(to).add(2 * task * to.ld);
                moments::part(
                    s,
                    y.add(first * self.y.ld),
                    self.y.ld,
                    pixels,
                    output.c,
                    mean,
                    mean.add(to.ld),
                );
                finish(s, memory, &rest, &self.y, [first, pixels], [0, output.c]);
            }
        }
    }
}
