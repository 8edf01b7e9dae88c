//! [`Forward`]: the forward pass of a depthwise convolution.

use super::pass::Pass;
use super::rows::Start;
use super::taps::Way;
use crate::epilogue::{Epilogue, finish};
use crate::memory::Memory;
use crate::program::Kernel;
use crate::simd::Simd;
use crate::view::{Operand, View};
use crate::{ConvShape, moments};

/// `y = conv(x)`, then the epilogue.
pub(crate) struct Forward {
    pass: Pass,
    epilogue: Epilogue,
}

impl Forward {
    /// The weights are `[tap][channel]`.
    pub(crate) fn new(shape: ConvShape, x: View, weights: View, y: View, epilogue: Epilogue) -> Self {
        Self { pass: Pass::new(Way::Forward, shape, x, weights, y), epilogue }
    }
}

// SAFETY: a task writes the pixels of its part, in `y` and in its rows of the moments.
unsafe impl Kernel for Forward {
    fn operands(&self) -> Vec<Operand> {
        let mut operands = self.pass.operands().to_vec();
        operands.push(self.pass.to().write());
        operands.extend(self.epilogue.operands());
        operands
    }

    fn tasks(&self) -> usize {
        self.pass.parts()
    }

    #[inline(always)]
    unsafe fn run<S: Simd>(&self, s: S, memory: Memory<'_>, task: usize, _scratch: *mut f32) {
        let part = self.pass.part(task);
        let (to, (channels, width)) = (self.pass.to(), self.pass.row_size());
        // Sums start from the bias; the rest of the epilogue runs while a row is still in the cache.
        let rest = Epilogue { bias: None, ..self.epilogue };
        // SAFETY: the contract of the kernel; `Conv` has compared the sizes of all operands with the shape.
        unsafe {
            let start = match &self.epilogue.bias {
                Some(bias) => Start::Bias(memory.at(bias).cast_const()),
                None => Start::Zero,
            };
            for row in part.rows.clone() {
                self.pass.row(s, memory, part.image, row, start);
                if self.epilogue.moments.is_none() {
                    let first = self.pass.first_pixel(part.image, row);
                    finish(s, memory, &rest, to, [first, width], [0, channels]);
                }
            }
            if let Some(sums) = &self.epilogue.moments {
                let first = part.pixels.start;
                let pixels = part.pixels.len();
                let values = memory.at(to).add(first * to.ld);
                let mean = memory.at(sums).add(2 * task * sums.ld);
                moments::part(s, values, to.ld, pixels, channels, mean, mean.add(sums.ld));
                finish(s, memory, &rest, to, [first, pixels], [0, channels]);
            }
        }
    }
}
