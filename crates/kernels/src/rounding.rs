//! [`RoundCodes`], [`RoundGradient`] and [`RoundWeights`]: rounding to 8-bit codes in training.
//!
//! A rounded tensor has only values that codes stand for, so the network learns with the error that the codes
//! will cause. The gradient passes through the rounding unchanged where the value is in the range of the codes,
//! and is 0 elsewhere (the straight-through estimator; Jacob et al., 2018, arXiv 1712.05877, section 3).

use crate::chunk::Chunks;
use crate::fit::{fits, segments};
use crate::memory::Memory;
use crate::program::Kernel;
use crate::simd::Simd;
use crate::view::Operand;
use crate::{KernelError, SEGMENT, View};

/// The highest code of a value.
const HIGHEST: f32 = 255.0;
/// The highest code of a weight; the lowest is its negative.
const HIGHEST_WEIGHT: f32 = 127.0;

/// Rounds `x` in place to `scale * (code - zero_point)` for a code from 0 to 255, halves to even.
///
/// NaN and infinity become NaN, so that a diverged network stays visible.
#[derive(Debug, Clone)]
pub struct RoundCodes {
    /// The tensor.
    pub x: View,
    /// Receives one byte per value: 1 if the value is in the range of the codes, otherwise 0. A vector of
    /// [`RoundCodes::mask_len`] values.
    pub mask: View,
    /// Difference between the numbers of neighbouring codes.
    pub scale: f32,
    /// The code that stands for zero.
    pub zero_point: u8,
}

impl RoundCodes {
    /// Number of `f32` values that hold the bytes of the mask of `x`.
    pub fn mask_len(x: &View) -> usize {
        x.pixels.saturating_mul(x.channels).div_ceil(4).next_multiple_of(SEGMENT)
    }
}

fn check(label: &str, x: &View, mask: &View) -> Result<(), KernelError> {
    segments(label, "channels of x", x.channels)?;
    fits!(label, "the mask", mask, 1, RoundCodes::mask_len(x))
}

// SAFETY: a task reads and writes its own range of pixels and their bytes.
unsafe impl Kernel for RoundCodes {
    fn operands(&self) -> Vec<Operand> {
        vec![self.x.update(), self.mask.write()]
    }

    fn check(&self, label: &str) -> Result<(), KernelError> {
        check(label, &self.x, &self.mask)
    }

    fn tasks(&self) -> usize {
        Chunks::new(self.x.pixels, self.x.channels).count()
    }

    #[inline(always)]
    unsafe fn run<S: Simd>(&self, s: S, memory: Memory<'_>, task: usize, _scratch: *mut f32) {
        let inverse = s.splat(1.0 / self.scale);
        let scale = s.splat(self.scale);
        let zero_point = s.splat(f32::from(self.zero_point));
        let highest = s.splat(HIGHEST);
        let zero = s.splat(0.0);
        let one = s.splat(1.0);
        for pixel in Chunks::new(self.x.pixels, self.x.channels).range(task) {
            // SAFETY: `check` verified that the mask has the bytes of this pixel.
            unsafe {
                let x = memory.at(&self.x).add(pixel * self.x.ld);
                let bytes = memory.at(&self.mask).cast::<u8>().add(pixel * self.x.channels);
                let mut c = 0;
                while c < self.x.channels {
                    let value = s.load(x.add(c));
                    let exact = s.fma(value, inverse, zero_point);
                    // One step beyond the range on both sides, which is enough to tell values outside.
                    let low = s.select(s.exceeds(exact, s.splat(-1.0)), exact, s.splat(-1.0));
                    let near = s.select(s.exceeds(low, s.splat(HIGHEST + 1.0)), s.splat(HIGHEST + 1.0), low);
                    let code = s.round(near);
                    let below = s.exceeds(zero, code);
                    let above = s.exceeds(code, highest);
                    let code = s.select(below, zero, s.select(above, highest, code));
                    let inside = s.select(below, zero, s.select(above, zero, one));
                    s.store_bytes(bytes.add(c), inside);
                    // The difference is 0, or NaN.
                    let number = s.fma(s.sub(code, zero_point), scale, s.sub(value, value));
                    s.store(x.add(c), number);
                    c += S::LANES;
                }
            }
        }
    }
}

/// Sets the gradient of values outside of the range of the codes to 0.
#[derive(Debug, Clone)]
pub struct RoundGradient {
    /// Gradient of the rounded tensor; becomes that of the tensor.
    pub dx: View,
    /// The mask that [`RoundCodes`] wrote.
    pub mask: View,
}

// SAFETY: a task reads and writes its own range of pixels.
unsafe impl Kernel for RoundGradient {
    fn operands(&self) -> Vec<Operand> {
        vec![self.dx.update(), self.mask.read()]
    }

    fn check(&self, label: &str) -> Result<(), KernelError> {
        check(label, &self.dx, &self.mask)
    }

    fn tasks(&self) -> usize {
        Chunks::new(self.dx.pixels, self.dx.channels).count()
    }

    #[inline(always)]
    unsafe fn run<S: Simd>(&self, s: S, memory: Memory<'_>, task: usize, _scratch: *mut f32) {
        let zero = s.splat(0.0);
        for pixel in Chunks::new(self.dx.pixels, self.dx.channels).range(task) {
            // SAFETY: `check` verified that the mask has the bytes of this pixel.
            unsafe {
                let dx = memory.at(&self.dx).add(pixel * self.dx.ld);
                let bytes = memory.at(&self.mask).cast::<u8>().add(pixel * self.dx.channels);
                let mut c = 0;
                while c < self.dx.channels {
                    let outside = s.equals(s.load_bytes(bytes.add(c)), zero);
                    s.store(dx.add(c), s.select(outside, zero, s.load(dx.add(c))));
                    c += S::LANES;
                }
            }
        }
    }
}

/// Rounds weights to codes from -127 to 127, with one scale for each output channel: its largest magnitude has
/// code 127 (or -127).
///
/// Rounded weights are rounded to themselves. The gradient passes unchanged. NaN and infinity become NaN.
#[derive(Debug, Clone)]
pub struct RoundWeights {
    /// The weights: `[tap][in]` rows of one value for each output channel.
    pub from: View,
    /// Receives the rounded weights.
    pub to: View,
    /// Number of output channels, including padding.
    pub channels: usize,
}

// SAFETY: a task reads and writes its own segment of every row.
unsafe impl Kernel for RoundWeights {
    fn operands(&self) -> Vec<Operand> {
        vec![self.from.read(), self.to.write()]
    }

    fn check(&self, label: &str) -> Result<(), KernelError> {
        segments(label, "output channels", self.channels)?;
        let rows = self.from.channels / self.channels.max(1);
        fits!(label, "the weights", self.from, 1, rows * self.channels)?;
        fits!(label, "the rounded weights", self.to, 1, self.from.channels)
    }

    fn tasks(&self) -> usize {
        self.channels / SEGMENT
    }

    #[inline(always)]
    unsafe fn run<S: Simd>(&self, _: S, memory: Memory<'_>, task: usize, _scratch: *mut f32) {
        let rows = self.from.channels / self.channels;
        // SAFETY: `check` verified that both views have this segment of every row.
        unsafe {
            let from = memory.at(&self.from).add(task * SEGMENT).cast_const();
            let to = memory.at(&self.to).add(task * SEGMENT);
            let mut scale = [0.0f32; SEGMENT];
            for row in 0..rows {
                for lane in 0..SEGMENT {
                    let magnitude = (*from.add(row * self.channels + lane)).abs();
                    scale[lane] = if magnitude > scale[lane] { magnitude } else { scale[lane] };
                }
            }
            for scale in &mut scale {
                *scale /= HIGHEST_WEIGHT;
                // Until the largest rounded weight gives this scale again.
                for _ in 0..8 {
                    *scale = *scale * HIGHEST_WEIGHT / HIGHEST_WEIGHT;
                }
                *scale = if scale.is_normal() { *scale } else { 1.0 };
            }
            for row in 0..rows {
                for lane in 0..SEGMENT {
                    let at = row * self.channels + lane;
                    let weight = *from.add(at);
                    let code = (weight / scale[lane]).round_ties_even();
                    let whole = code.clamp(-HIGHEST_WEIGHT, HIGHEST_WEIGHT);
                    *to.add(at) = if weight.is_finite() { scale[lane] * whole } else { f32::NAN };
                }
            }
        }
    }
}
