//! [`Moments`]: mean and sum of squared deviations of each channel over a range of pixels, the input of batch
//! norm.
//!
//! A range is read once. Values are taken relative to the mean of the first pixels, which differs from the
//! mean of all `n` pixels by at most `sqrt(n / 32)` standard deviations. Therefore the amount that cancels is
//! at most `n / 32` times the result for any values, unlike in `E[x^2] - E[x]^2`, and normally less than the
//! result itself.

use crate::chunk::Chunks;
use crate::fit::{fits, segments};
use crate::memory::Memory;
use crate::program::Kernel;
use crate::simd::Simd;
use crate::view::Operand;
use crate::{KernelError, View};

/// Number of first pixels whose mean is the reference for the others.
const FIRST: usize = 32;

/// Writes the mean and the sum of squared deviations of `channels` channels over `pixels` pixels.
///
/// # Safety
/// `pixels` rows of `channels` values, `ld` apart, are readable at `y`; `channels` values are writable at
/// `mean` and at `m2`. `channels` is a multiple of [`SEGMENT`](crate::SEGMENT), `pixels` at least 1 and no
/// more than a few thousand.
#[inline(always)]
pub(crate) unsafe fn part<S: Simd>(
    s: S,
    y: *const f32,
    ld: usize,
    pixels: usize,
    channels: usize,
    mean: *mut f32,
    m2: *mut f32,
) {
    let mut c = 0;
    // SAFETY: `c` and the width of a block stay within `channels`.
    unsafe {
        while c + 2 * S::LANES <= channels {
            block::<S, 2, 2>(s, y.add(c), ld, pixels, mean.add(c), m2.add(c));
            c += 2 * S::LANES;
        }
        while c < channels {
            block::<S, 1, 4>(s, y.add(c), ld, pixels, mean.add(c), m2.add(c));
            c += S::LANES;
        }
    }
}

/// As [`part`] for `V` vectors of channels, in `V * R` independent sums.
#[inline(always)]
unsafe fn block<S: Simd, const V: usize, const R: usize>(
    s: S,
    y: *const f32,
    ld: usize,
    pixels: usize,
    mean: *mut f32,
    m2: *mut f32,
) {
    let first = pixels.min(FIRST);
    let mut origin = [s.splat(0.0); V];
    let mut sum = [[s.splat(0.0); V]; R];
    let mut squares = [[s.splat(0.0); V]; R];
    // SAFETY: pixels below `pixels` and vectors below `V` are in the caller's rectangles.
    unsafe {
        for pixel in 0..first {
            for v in 0..V {
                origin[v] = s.add(origin[v], s.load(y.add(pixel * ld + v * S::LANES)));
            }
        }
        for v in 0..V {
            origin[v] = s.mul(origin[v], s.splat(1.0 / first as f32));
        }
        let mut pixel = 0;
        while pixel + R <= pixels {
            for r in 0..R {
                for v in 0..V {
                    let deviation = s.sub(s.load(y.add((pixel + r) * ld + v * S::LANES)), origin[v]);
                    sum[r][v] = s.add(sum[r][v], deviation);
                    squares[r][v] = s.fma(deviation, deviation, squares[r][v]);
                }
            }
            pixel += R;
        }
        while pixel < pixels {
            for v in 0..V {
                let deviation = s.sub(s.load(y.add(pixel * ld + v * S::LANES)), origin[v]);
                sum[0][v] = s.add(sum[0][v], deviation);
                squares[0][v] = s.fma(deviation, deviation, squares[0][v]);
            }
            pixel += 1;
        }
        let zero = s.splat(0.0);
        for v in 0..V {
            let mut d = sum[0][v];
            let mut q = squares[0][v];
            for r in 1..R {
                d = s.add(d, sum[r][v]);
                q = s.add(q, squares[r][v]);
            }
            let shift = s.mul(d, s.splat(1.0 / pixels as f32));
            s.store(mean.add(v * S::LANES), s.add(origin[v], shift));
            // Rounding may make a constant channel slightly negative; the comparison keeps NaN.
            let m = s.fnma(d, shift, q);
            s.store(m2.add(v * S::LANES), s.select(s.exceeds(m, zero), m, zero));
        }
    }
}

/// Moments of a tensor, for a batch norm whose input is not the output of a convolution.
///
/// Row `2p` of `partials` receives the means of part `p`, row `2p + 1` its sums of squared deviations.
#[derive(Debug, Clone)]
pub struct Moments {
    /// The tensor.
    pub y: View,
    /// `2 * Moments::parts(y.pixels)` rows with as many channels as `y`.
    pub partials: View,
}

impl Moments {
    /// Number of parts into which `pixels` pixels are divided.
    pub fn parts(pixels: usize) -> usize {
        Chunks::parts(pixels).count()
    }

    /// Number of pixels in each part.
    pub fn counts(pixels: usize) -> Vec<usize> {
        Chunks::parts(pixels).counts()
    }
}

// SAFETY: a task reads its range of pixels and writes its own two rows.
unsafe impl Kernel for Moments {
    fn operands(&self) -> Vec<Operand> {
        vec![self.y.read(), self.partials.write()]
    }

    fn check(&self, label: &str) -> Result<(), KernelError> {
        segments(label, "channels of y", self.y.channels)?;
        fits!(label, "partials", self.partials, 2 * Self::parts(self.y.pixels), self.y.channels)
    }

    fn tasks(&self) -> usize {
        Self::parts(self.y.pixels)
    }

    #[inline(always)]
    unsafe fn run<S: Simd>(&self, s: S, memory: Memory<'_>, task: usize, _scratch: *mut f32) {
        let range = Chunks::parts(self.y.pixels).range(task);
        // SAFETY: the range is not empty and inside `y`; `check` verified that the rows exist and that
        // channels are segments.
        unsafe {
            let y = memory.at(&self.y).add(range.start * self.y.ld);
            let mean = memory.at(&self.partials).add(2 * task * self.partials.ld);
            let m2 = mean.add(self.partials.ld);
            part(s, y, self.y.ld, range.len(), self.y.channels, mean, m2);
        }
    }
}
