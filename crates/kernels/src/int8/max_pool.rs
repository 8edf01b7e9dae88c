//! [`QuantizedMaxPool`]: the maximum of codes over a sliding window.
//!
//! The order of codes is that of the numbers they stand for, because scales are positive. Input and output
//! have the same scale and zero point.

use super::dot::{Dot, WithDot};
use super::{CODES, Int8Isa, LANES};
use crate::chunk::Chunks;
use crate::fit::{equal, fits, segments};
use crate::max_pool::Taps;
use crate::memory::Memory;
use crate::program::Kernel;
use crate::simd::Simd;
use crate::view::Operand;
use crate::{KernelError, PoolShape, View};

/// `y` is the maximum of `x` under each window; padding does not take part.
#[derive(Debug, Clone)]
pub struct QuantizedMaxPool {
    /// Instruction set.
    pub isa: Int8Isa,
    /// Sizes, in codes.
    pub shape: PoolShape,
    /// Input, in words.
    pub x: View,
    /// Output, in words.
    pub y: View,
}

impl QuantizedMaxPool {
    fn chunks(&self) -> Chunks {
        Chunks::new(self.y.pixels, self.y.channels * self.shape.window().area().div_ceil(4))
    }
}

struct Call<'a> {
    pool: &'a QuantizedMaxPool,
    memory: Memory<'a>,
    task: usize,
}

impl WithDot for Call<'_> {
    #[inline(always)]
    fn with<D: Dot>(self, _: D) {
        let QuantizedMaxPool { shape, x, y, .. } = self.pool;
        let mut taps = Taps::none();
        for pixel in self.pool.chunks().range(self.task) {
            taps.find::<true>(shape, pixel);
            // SAFETY: the taps are pixels of `x`; `check` verified that `y` has this pixel. There is at least
            // one tap, because no window lies completely in the padding and the image is not empty.
            unsafe {
                let from = self.memory.at(x).cast::<[u8; LANES]>();
                let to = self.memory.at(y).add(pixel * y.ld).cast::<[u8; LANES]>();
                for segment in 0..y.channels * CODES / LANES {
                    let codes = |tap: usize| {
                        from.byte_add(taps.pixel[tap] * x.ld * CODES).add(segment).read_unaligned()
                    };
                    let mut most = codes(0);
                    for tap in 1..taps.len {
                        let codes = codes(tap);
                        for lane in 0..LANES {
                            most[lane] = most[lane].max(codes[lane]);
                        }
                    }
                    to.add(segment).write_unaligned(most);
                }
            }
        }
    }
}

// SAFETY: a task writes its own range of output pixels.
unsafe impl Kernel for QuantizedMaxPool {
    fn operands(&self) -> Vec<Operand> {
        vec![self.x.read(), self.y.write()]
    }

    fn check(&self, label: &str) -> Result<(), KernelError> {
        let input = self.shape.input();
        let output = self.shape.output();
        segments(label, "channels of the input", input.c)?;
        // An empty image has windows without a maximum.
        equal(label, "height of the input", input.h, input.h.max(1))?;
        equal(label, "width of the input", input.w, input.w.max(1))?;
        fits!(label, "the input", self.x, input.pixels(), input.c / CODES)?;
        fits!(label, "the output", self.y, output.pixels(), output.c / CODES)
    }

    fn tasks(&self) -> usize {
        self.chunks().count()
    }

    #[inline(always)]
    unsafe fn run<S: Simd>(&self, _: S, memory: Memory<'_>, task: usize, _: *mut f32) {
        self.isa.run(Call { pool: self, memory, task });
    }
}
