//! [`PointwiseGradient`]: second pass of the backward, the gradient of the input `y`.

use crate::chunk::Chunks;
use crate::fit::{fits, in_place, segments};
use crate::math::silu_slope;
use crate::memory::Memory;
use crate::program::Kernel;
use crate::simd::Simd;
use crate::view::Operand;
use crate::{KernelError, View};

/// Magnitude up to which a gradient after a batch norm is replaced by 0.
///
/// If sparsity training brings a chain of gammas near zero, each layer divides the gradient by a thousand or
/// more. After a dozen layers it is denormal, and each multiplication by it takes a hundred times as long. A
/// gradient below this limit cannot change a weight (the step is learning rate times gradient, and `f32` has
/// seven digits), while products of larger gradients with activations and weights of any useful size are
/// still normal.
const NEGLIGIBLE: f32 = 1e-18;

/// `dy (+)= scale * du + k1 * y + k0`, with `du = dz * act'(scale * y + shift)`; without norm `dy (+)= du`.
///
/// With `norm`, the value added to `dy` is 0 if its magnitude is at most 1e-18, because products with
/// denormals are slow.
#[derive(Debug, Clone)]
pub struct PointwiseGradient {
    /// Input of [`Pointwise`](crate::Pointwise).
    pub y: View,
    /// Gradient of the output of [`Pointwise`](crate::Pointwise).
    pub dz: View,
    /// Receives the gradient of `y`; may be the same view as `dz` or `y`.
    pub dy: View,
    /// Scale, shift, `k1`, `k0`: vectors of one value per channel. With frozen statistics `k1` and `k0` are
    /// 0.
    pub norm: Option<[View; 4]>,
    /// Whether [`Pointwise`](crate::Pointwise) applied SiLU.
    pub silu: bool,
    /// Whether to add to the values in `dy` instead of overwriting them.
    pub accumulate: bool,
}

// SAFETY: a task reads and writes its own range of pixels, and writes each value after reading it.
unsafe impl Kernel for PointwiseGradient {
    fn operands(&self) -> Vec<Operand> {
        let mut operands = in_place(&[self.y, self.dz], self.dy.store(self.accumulate));
        operands.extend(self.norm.iter().flatten().map(|vector| vector.read()));
        operands
    }

    fn check(&self, label: &str) -> Result<(), KernelError> {
        let pixels = self.y.pixels;
        let channels = self.y.channels;
        segments(label, "channels of y", channels)?;
        fits!(label, "dz", self.dz, pixels, channels)?;
        fits!(label, "dy", self.dy, pixels, channels)?;
        if let Some([scale, shift, k1, k0]) = &self.norm {
            fits!(label, "scale", scale, 1, channels)?;
            fits!(label, "shift", shift, 1, channels)?;
            fits!(label, "k1", k1, 1, channels)?;
            fits!(label, "k0", k0, 1, channels)?;
        }
        Ok(())
    }

    fn tasks(&self) -> usize {
        Chunks::new(self.y.pixels, self.y.channels).count()
    }

    #[inline(always)]
    unsafe fn run<S: Simd>(&self, s: S, memory: Memory<'_>, task: usize, _scratch: *mut f32) {
        // SAFETY: the contract of this method.
        unsafe { chunk_of!(self, s, memory, task, [self.norm.is_some(), self.silu, self.accumulate]) }
    }
}

impl PointwiseGradient {
    #[inline(always)]
    unsafe fn chunk<S: Simd, const NORM: bool, const SILU: bool, const ACCUMULATE: bool>(
        &self,
        s: S,
        memory: Memory<'_>,
        task: usize,
    ) {
        // The kernel never reads the placeholders of absent views.
        let [scale, shift, k1, k0] = self.norm.unwrap_or([self.y; 4]);
        // SAFETY: `check` verified that all tensors have the same pixels and channels, and the vectors the
        // same channels.
        unsafe {
            let scale = memory.at(&scale);
            let shift = memory.at(&shift);
            let k1 = memory.at(&k1);
            let k0 = memory.at(&k0);
            for pixel in Chunks::new(self.y.pixels, self.y.channels).range(task) {
                let y = memory.at(&self.y).add(pixel * self.y.ld);
                let dz = memory.at(&self.dz).add(pixel * self.dz.ld);
                let dy = memory.at(&self.dy).add(pixel * self.dy.ld);
                let mut c = 0;
                while c < self.y.channels {
                    let value = s.load(y.add(c));
                    let mut gradient = s.load(dz.add(c));
                    if NORM {
                        let scale = s.load(scale.add(c));
                        if SILU {
                            let u = s.fma(value, scale, s.load(shift.add(c)));
                            gradient = s.mul(gradient, silu_slope(s, u));
                        }
                        let through_statistics = s.fma(value, s.load(k1.add(c)), s.load(k0.add(c)));
                        gradient = s.fma(gradient, scale, through_statistics);
                        // `exceeds` is true for NaN, so a diverged network stays visible.
                        let counts = s.exceeds(s.abs(gradient), s.splat(NEGLIGIBLE));
                        gradient = s.select(counts, gradient, s.splat(0.0));
                    } else if SILU {
                        gradient = s.mul(gradient, silu_slope(s, value));
                    }
                    if ACCUMULATE {
                        gradient = s.add(gradient, s.load(dy.add(c)));
                    }
                    s.store(dy.add(c), gradient);
                    c += S::LANES;
                }
            }
        }
    }
}
