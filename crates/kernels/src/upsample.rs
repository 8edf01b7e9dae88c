//! [`Upsample`] and [`UpsampleGradient`]: nearest-neighbour upsampling by an integer factor.

use crate::chunk::Chunks;
use crate::fit::{fits, segments};
use crate::memory::Memory;
use crate::program::Kernel;
use crate::shape::check_size;
use crate::simd::Simd;
use crate::view::Operand;
use crate::{KernelError, Nhwc, View};

/// The shape after upsampling `input` by `factor` in both directions.
///
/// # Errors
/// [`KernelError::Factor`] for factor 0, [`KernelError::TooLarge`] for sizes that exceed any memory.
fn enlarged(input: Nhwc, factor: usize) -> Result<Nhwc, KernelError> {
    if factor == 0 {
        return Err(KernelError::Factor { factor });
    }
    let output = Nhwc { h: input.h.saturating_mul(factor), w: input.w.saturating_mul(factor), ..input };
    check_size(output, "the upsampled image")?;
    // Also for an image without pixels, because kernels square the factor.
    check_size(Nhwc { h: factor, w: factor, ..input }, "the upsampled pixel")?;
    Ok(output)
}

/// Repeats every pixel of `x` `factor` times in both directions.
#[derive(Debug, Clone)]
pub struct Upsample {
    /// Sizes of `x`.
    pub input: Nhwc,
    /// How often a pixel is repeated along each axis.
    pub factor: usize,
    /// Input.
    pub x: View,
    /// Output.
    pub y: View,
}

impl Upsample {
    /// Sizes of the output.
    ///
    /// # Errors
    /// [`KernelError::Factor`] for factor 0, [`KernelError::TooLarge`] for sizes that exceed any memory.
    pub fn output(input: Nhwc, factor: usize) -> Result<Nhwc, KernelError> {
        enlarged(input, factor)
    }
}

// SAFETY: a task reads its own range of input pixels and writes their copies.
unsafe impl Kernel for Upsample {
    fn operands(&self) -> Vec<Operand> {
        vec![self.x.read(), self.y.write()]
    }

    fn check(&self, label: &str) -> Result<(), KernelError> {
        let output = enlarged(self.input, self.factor)?;
        segments(label, "channels of the input", self.input.c)?;
        fits!(label, "x", self.x, self.input.pixels(), self.input.c)?;
        fits!(label, "y", self.y, output.pixels(), self.input.c)
    }

    fn tasks(&self) -> usize {
        Chunks::new(self.x.pixels, self.x.channels * self.factor * self.factor).count()
    }

    #[inline(always)]
    unsafe fn run<S: Simd>(&self, s: S, memory: Memory<'_>, task: usize, _scratch: *mut f32) {
        let w = self.input.w;
        let factor = self.factor;
        for pixel in Chunks::new(self.x.pixels, self.x.channels * factor * factor).range(task) {
            // Rows of all images are upsampled alike, so the index of the image does not matter.
            let first = (pixel / w * factor * w + pixel % w) * factor;
            // SAFETY: `check` verified that `x` has this pixel and `y` its copies.
            unsafe {
                let x = memory.at(&self.x).add(pixel * self.x.ld);
                for copy in 0..factor * factor {
                    let to = first + copy / factor * w * factor + copy % factor;
                    let y = memory.at(&self.y).add(to * self.y.ld);
                    let mut c = 0;
                    while c < self.x.channels {
                        s.store(y.add(c), s.load(x.add(c)));
                        c += S::LANES;
                    }
                }
            }
        }
    }
}

/// Sums `dy` over the copies of each pixel, in reading order.
#[derive(Debug, Clone)]
pub struct UpsampleGradient {
    /// Sizes of `dx`.
    pub input: Nhwc,
    /// The value that the forward kernel used.
    pub factor: usize,
    /// Gradient of the output.
    pub dy: View,
    /// Receives the gradient of the input.
    pub dx: View,
    /// Whether to add to the values in `dx` instead of overwriting them.
    pub accumulate: bool,
}

// SAFETY: a task writes its own range of input pixels and reads their copies.
unsafe impl Kernel for UpsampleGradient {
    fn operands(&self) -> Vec<Operand> {
        vec![self.dy.read(), self.dx.store(self.accumulate)]
    }

    fn check(&self, label: &str) -> Result<(), KernelError> {
        let output = enlarged(self.input, self.factor)?;
        segments(label, "channels of the input", self.input.c)?;
        fits!(label, "dx", self.dx, self.input.pixels(), self.input.c)?;
        fits!(label, "dy", self.dy, output.pixels(), self.input.c)
    }

    fn tasks(&self) -> usize {
        Chunks::new(self.dx.pixels, self.dx.channels * self.factor * self.factor).count()
    }

    #[inline(always)]
    unsafe fn run<S: Simd>(&self, s: S, memory: Memory<'_>, task: usize, _scratch: *mut f32) {
        let w = self.input.w;
        let factor = self.factor;
        for pixel in Chunks::new(self.dx.pixels, self.dx.channels * factor * factor).range(task) {
            let first = (pixel / w * factor * w + pixel % w) * factor;
            // SAFETY: `check` verified that `dx` has this pixel and `dy` its copies.
            unsafe {
                let dy = memory.at(&self.dy).add(first * self.dy.ld);
                let dx = memory.at(&self.dx).add(pixel * self.dx.ld);
                let mut c = 0;
                while c < self.dx.channels {
                    let mut sum = s.load(dy.add(c));
                    for copy in 1..factor * factor {
                        let from = copy / factor * w * factor + copy % factor;
                        sum = s.add(sum, s.load(dy.add(from * self.dy.ld + c)));
                    }
                    if self.accumulate {
                        sum = s.add(s.load(dx.add(c)), sum);
                    }
                    s.store(dx.add(c), sum);
                    c += S::LANES;
                }
            }
        }
    }
}
