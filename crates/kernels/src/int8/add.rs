//! [`QuantizedAdd`]: the sum of two tensors of codes.

use super::dot::{Dot, WithDot};
use super::{CODES, Int8Isa, LANES};
use crate::chunk::Chunks;
use crate::fit::{fits, in_place, segments};
use crate::memory::Memory;
use crate::program::Kernel;
use crate::simd::Simd;
use crate::view::Operand;
use crate::{KernelError, View};

/// `y = a * factors[0] + b * factors[1] + factors[2]`, in codes. `y` may be one of the others.
#[derive(Debug, Clone)]
pub struct QuantizedAdd {
    /// Instruction set.
    pub isa: Int8Isa,
    /// First summand, in words.
    pub a: View,
    /// Second summand, in words.
    pub b: View,
    /// Sum, in words.
    pub y: View,
    /// Scales of the summands in units of that of the sum, and the constant that the zero points give.
    pub factors: [f32; 3],
}

impl QuantizedAdd {
    fn chunks(&self) -> Chunks {
        Chunks::new(self.y.pixels, self.y.channels)
    }
}

struct Call<'a> {
    add: &'a QuantizedAdd,
    memory: Memory<'a>,
    task: usize,
}

impl WithDot for Call<'_> {
    #[inline(always)]
    fn with<D: Dot>(self, d: D) {
        let Self { add, memory, task } = self;
        for pixel in add.chunks().range(task) {
            // SAFETY: `check` verified that all views have this pixel and whole segments.
            unsafe {
                let pointer = |view: &View| memory.at(view).add(pixel * view.ld).cast::<u8>();
                let [a, b, y] = [pointer(&add.a), pointer(&add.b), pointer(&add.y)];
                let mut c = 0;
                while c < add.y.channels * CODES {
                    d.blend(y.add(c), a.add(c), b.add(c), add.factors);
                    c += LANES;
                }
            }
        }
    }
}

// SAFETY: a task writes its own range of pixels, each segment after reading it.
unsafe impl Kernel for QuantizedAdd {
    fn operands(&self) -> Vec<Operand> {
        in_place(&[self.a, self.b], self.y.write())
    }

    fn check(&self, label: &str) -> Result<(), KernelError> {
        segments(label, "channels of y", self.y.channels.saturating_mul(CODES))?;
        fits!(label, "a", self.a, self.y.pixels, self.y.channels)?;
        fits!(label, "b", self.b, self.y.pixels, self.y.channels)
    }

    fn tasks(&self) -> usize {
        self.chunks().count()
    }

    #[inline(always)]
    unsafe fn run<S: Simd>(&self, _: S, memory: Memory<'_>, task: usize, _: *mut f32) {
        self.isa.run(Call { add: self, memory, task });
    }
}
