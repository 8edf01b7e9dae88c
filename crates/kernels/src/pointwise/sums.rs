//! [`PointwiseSums`]: first pass of the backward, the sums for the gradients of batch norm.

use crate::chunk::Chunks;
use crate::fit::{equal, fits, segments};
use crate::math::silu_slope;
use crate::memory::Memory;
use crate::program::Kernel;
use crate::simd::Simd;
use crate::view::Operand;
use crate::{KernelError, View};

/// Sums `du = dz * act'(scale * y + shift)` over parts of the pixels, for
/// [`BatchNormGradient`](crate::BatchNormGradient); in the same pass it passes `dz` to the residual.
///
/// Row `2p` of `partials` receives `sum du` of part `p`, row `2p + 1` receives `inv * sum du (y - mean)`.
#[derive(Debug, Clone)]
pub struct PointwiseSums {
    /// Input of [`Pointwise`](crate::Pointwise).
    pub y: View,
    /// Gradient of the output of [`Pointwise`](crate::Pointwise).
    pub dz: View,
    /// Scale of [`Pointwise`](crate::Pointwise): a vector of one value per channel, like the next three
    /// views.
    pub scale: View,
    /// Shift of [`Pointwise`](crate::Pointwise).
    pub shift: View,
    /// Mean of `y`.
    pub mean: View,
    /// Inverse standard deviation of `y`.
    pub inv: View,
    /// Whether [`Pointwise`](crate::Pointwise) applied SiLU.
    pub silu: bool,
    /// `2 * PointwiseSums::parts(y.pixels)` rows with as many channels as `y`.
    pub partials: View,
    /// Gradient of the residual, and whether to add `dz` to it (true) or overwrite it (false).
    pub residual: Option<(View, bool)>,
}

/// Number of pixels summed one after another; longer sums are sums of such sums.
const RUN: usize = 256;

/// Values of the const parameter `RESIDUAL`: how the kernel updates the gradient of the residual.
const NO_RESIDUAL: u8 = 0;
const STORE_RESIDUAL: u8 = 1;
const ADD_RESIDUAL: u8 = 2;

impl PointwiseSums {
    /// Number of parts into which `pixels` pixels are divided.
    pub fn parts(pixels: usize) -> usize {
        Chunks::parts(pixels).count()
    }
}

// SAFETY: a task reads and writes its own range of pixels and its own two rows.
unsafe impl Kernel for PointwiseSums {
    fn operands(&self) -> Vec<Operand> {
        let read = [self.y, self.dz, self.scale, self.shift, self.mean, self.inv];
        let mut operands = read.map(View::read).to_vec();
        operands.push(self.partials.write());
        operands.extend(self.residual.map(|(view, accumulate)| view.store(accumulate)));
        operands
    }

    fn check(&self, label: &str) -> Result<(), KernelError> {
        let pixels = self.y.pixels;
        let channels = self.y.channels;
        segments(label, "channels of y", channels)?;
        fits!(label, "dz", self.dz, pixels, channels)?;
        fits!(label, "scale", self.scale, 1, channels)?;
        fits!(label, "shift", self.shift, 1, channels)?;
        fits!(label, "mean", self.mean, 1, channels)?;
        fits!(label, "inv", self.inv, 1, channels)?;
        equal(label, "rows of the sums", self.partials.pixels, 2 * Self::parts(pixels))?;
        fits!(label, "the sums", self.partials, self.partials.pixels, channels)?;
        if let Some((residual, _)) = &self.residual {
            fits!(label, "the residual's gradient", residual, pixels, channels)?;
        }
        Ok(())
    }

    fn tasks(&self) -> usize {
        Self::parts(self.y.pixels)
    }

    #[inline(always)]
    unsafe fn run<S: Simd>(&self, s: S, memory: Memory<'_>, task: usize, _scratch: *mut f32) {
        // SAFETY: the contract of this method.
        unsafe {
            match (self.silu, self.residual) {
                (true, None) => self.part::<S, true, NO_RESIDUAL>(s, memory, task),
                (true, Some((_, false))) => self.part::<S, true, STORE_RESIDUAL>(s, memory, task),
                (true, Some((_, true))) => self.part::<S, true, ADD_RESIDUAL>(s, memory, task),
                (false, None) => self.part::<S, false, NO_RESIDUAL>(s, memory, task),
                (false, Some((_, false))) => self.part::<S, false, STORE_RESIDUAL>(s, memory, task),
                (false, Some((_, true))) => self.part::<S, false, ADD_RESIDUAL>(s, memory, task),
            }
        }
    }
}

impl PointwiseSums {
    #[inline(always)]
    unsafe fn part<S: Simd, const SILU: bool, const RESIDUAL: u8>(
        &self,
        s: S,
        memory: Memory<'_>,
        task: usize,
    ) {
        let mut c = 0;
        // SAFETY: the blocks are whole vectors of channels below `channels`.
        unsafe {
            while c + 4 * S::LANES <= self.y.channels {
                self.block::<S, 4, SILU, RESIDUAL>(s, memory, task, c);
                c += 4 * S::LANES;
            }
            while c < self.y.channels {
                self.block::<S, 1, SILU, RESIDUAL>(s, memory, task, c);
                c += S::LANES;
            }
        }
    }

    /// Processes `V` vectors of channels from `c` on; their sums stay in registers.
    #[inline(always)]
    unsafe fn block<S: Simd, const V: usize, const SILU: bool, const RESIDUAL: u8>(
        &self,
        s: S,
        memory: Memory<'_>,
        task: usize,
        c: usize,
    ) {
        let range = Chunks::parts(self.y.pixels).range(task);
        let residual = self.residual.map_or(self.y, |(view, _)| view);
        let mut total = [[s.splat(0.0); V]; 2];
        // SAFETY: `check` verified that all tensors have the same pixels and channels, the vectors the same
        // channels, and the sums the rows of this part.
        unsafe {
            let mut scale = [s.splat(0.0); V];
            let mut shift = [s.splat(0.0); V];
            let mut mean = [s.splat(0.0); V];
            for v in 0..V {
                scale[v] = s.load(memory.at(&self.scale).add(c + v * S::LANES));
                shift[v] = s.load(memory.at(&self.shift).add(c + v * S::LANES));
                mean[v] = s.load(memory.at(&self.mean).add(c + v * S::LANES));
            }
            let mut start = range.start;
            while start < range.end {
                let end = (start + RUN).min(range.end);
                let mut sum = [[s.splat(0.0); V]; 2];
                for pixel in start..end {
                    let y = memory.at(&self.y).add(pixel * self.y.ld + c);
                    let dz = memory.at(&self.dz).add(pixel * self.dz.ld + c);
                    let r = memory.at(&residual).add(pixel * residual.ld + c);
                    for v in 0..V {
                        let at = v * S::LANES;
                        let value = s.load(y.add(at));
                        let mut du = s.load(dz.add(at));
                        if RESIDUAL == STORE_RESIDUAL {
                            s.store(r.add(at), du);
                        } else if RESIDUAL == ADD_RESIDUAL {
                            s.store(r.add(at), s.add(s.load(r.add(at)), du));
                        }
                        if SILU {
                            du = s.mul(du, silu_slope(s, s.fma(value, scale[v], shift[v])));
                        }
                        sum[0][v] = s.add(sum[0][v], du);
                        sum[1][v] = s.fma(du, s.sub(value, mean[v]), sum[1][v]);
                    }
                }
                for v in 0..V {
                    total[0][v] = s.add(total[0][v], sum[0][v]);
                    total[1][v] = s.add(total[1][v], sum[1][v]);
                }
                start = end;
            }
            let row = memory.at(&self.partials).add(2 * task * self.partials.ld + c);
            for v in 0..V {
                let at = v * S::LANES;
                s.store(row.add(at), total[0][v]);
                let inv = s.load(memory.at(&self.inv).add(c + at));
                s.store(row.add(self.partials.ld + at), s.mul(total[1][v], inv));
            }
        }
    }
}
