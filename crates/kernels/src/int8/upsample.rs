//! [`QuantizedUpsample`]: nearest-neighbour upsampling of codes by an integer factor.

use super::CODES;
use crate::chunk::Chunks;
use crate::fit::{equal, fits};
use crate::memory::Memory;
use crate::program::Kernel;
use crate::simd::Simd;
use crate::view::Operand;
use crate::{KernelError, Nhwc, Upsample, View};

/// Repeats every pixel of `x` `factor` times in both directions.
#[derive(Debug, Clone)]
pub struct QuantizedUpsample {
    /// Sizes of `x`, in codes.
    pub input: Nhwc,
    /// How often a pixel is repeated along each axis.
    pub factor: usize,
    /// Input, in words.
    pub x: View,
    /// Output, in words.
    pub y: View,
}

impl QuantizedUpsample {
    fn chunks(&self) -> Chunks {
        Chunks::new(self.x.pixels, self.x.channels.saturating_mul(self.factor * self.factor))
    }
}

// SAFETY: a task reads its own range of input pixels and writes their copies.
unsafe impl Kernel for QuantizedUpsample {
    fn operands(&self) -> Vec<Operand> {
        vec![self.x.read(), self.y.write()]
    }

    fn check(&self, label: &str) -> Result<(), KernelError> {
        let output = Upsample::output(self.input, self.factor)?;
        equal(label, "channels of the input", self.input.c, self.input.c.next_multiple_of(CODES))?;
        fits!(label, "x", self.x, self.input.pixels(), self.input.c / CODES)?;
        fits!(label, "y", self.y, output.pixels(), self.input.c / CODES)
    }

    fn tasks(&self) -> usize {
        self.chunks().count()
    }

    #[inline(always)]
    unsafe fn run<S: Simd>(&self, _: S, memory: Memory<'_>, task: usize, _: *mut f32) {
        let w = self.input.w;
        let factor = self.factor;
        for pixel in self.chunks().range(task) {
            // Rows of all images are upsampled alike, so the index of the image does not matter.
            let first = (pixel / w * factor * w + pixel % w) * factor;
            // SAFETY: `check` verified that `x` has this pixel and `y` its copies.
            unsafe {
                let x = memory.at(&self.x).add(pixel * self.x.ld).cast::<u8>();
                for copy in 0..factor * factor {
                    let to = first + copy / factor * w * factor + copy % factor;
                    let y = memory.at(&self.y).add(to * self.y.ld).cast::<u8>();
                    y.copy_from_nonoverlapping(x, self.x.channels * CODES);
                }
            }
        }
    }
}
