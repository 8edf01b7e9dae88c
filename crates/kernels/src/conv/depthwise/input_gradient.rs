//! [`InputGradient`] of a depthwise convolution: each input pixel sums over the outputs that read it.

use super::pass::Pass;
use super::rows::Start;
use super::taps::Way;
use crate::ConvShape;
use crate::memory::Memory;
use crate::program::Kernel;
use crate::simd::Simd;
use crate::view::{Operand, View};

/// `dx (+)= conv^T(dy)`.
pub(crate) struct InputGradient {
    pass: Pass,
    accumulate: bool,
}

impl InputGradient {
    /// The weights are `[tap][channel]`.
    pub(crate) fn new(shape: ConvShape, dy: View, weights: View, dx: View, accumulate: bool) -> Self {
        Self { pass: Pass::new(Way::Backward, shape, dy, weights, dx), accumulate }
    }
}

// SAFETY: a task writes the pixels of its part.
unsafe impl Kernel for InputGradient {
    fn operands(&self) -> Vec<Operand> {
        let [dy, weights] = self.pass.operands();
        vec![dy, weights, self.pass.to().store(self.accumulate)]
    }

    fn tasks(&self) -> usize {
        self.pass.parts()
    }

    #[inline(always)]
    unsafe fn run<S: Simd>(&self, s: S, memory: Memory<'_>, task: usize, _scratch: *mut f32) {
        let part = self.pass.part(task);
        let start = if self.accumulate { Start::There } else { Start::Zero };
        for row in part.rows {
            // SAFETY: the contract of the kernel; `Conv` has compared the sizes of all operands with the
            // shape.
            unsafe { self.pass.row(s, memory, part.image, row, start) }
        }
    }
}
