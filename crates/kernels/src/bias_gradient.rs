//! [`BiasSums`] and [`BiasGradient`]: the gradient of a bias, first summed over parts of the pixels, then
//! over the parts.

use crate::chunk::Chunks;
use crate::fit::{fits, segments};
use crate::memory::Memory;
use crate::program::Kernel;
use crate::simd::Simd;
use crate::view::Operand;
use crate::{KernelError, SEGMENT, View};

/// Sums `dy` over parts of the pixels; row `p` of `partials` receives the sums of part `p`.
#[derive(Debug, Clone)]
pub struct BiasSums {
    /// Gradient of the output.
    pub dy: View,
    /// `BiasSums::parts(dy.pixels)` rows with as many channels as `dy`.
    pub partials: View,
}

impl BiasSums {
    /// Number of parts into which `pixels` pixels are divided.
    pub fn parts(pixels: usize) -> usize {
        Chunks::parts(pixels).count()
    }
}

// SAFETY: a task reads its range of pixels and writes its own row.
unsafe impl Kernel for BiasSums {
    fn operands(&self) -> Vec<Operand> {
        vec![self.dy.read(), self.partials.write()]
    }

    fn check(&self, label: &str) -> Result<(), KernelError> {
        segments(label, "channels of dy", self.dy.channels)?;
        fits!(label, "the sums", self.partials, Self::parts(self.dy.pixels), self.dy.channels)
    }

    fn tasks(&self) -> usize {
        Self::parts(self.dy.pixels)
    }

    #[inline(always)]
    unsafe fn run<S: Simd>(&self, s: S, memory: Memory<'_>, task: usize, _scratch: *mut f32) {
        let mut c = 0;
        // SAFETY: the blocks are whole vectors of channels below `channels`.
        unsafe {
            while c + 2 * S::LANES <= self.dy.channels {
                self.block::<S, 2>(s, memory, task, c);
                c += 2 * S::LANES;
            }
            while c < self.dy.channels {
                self.block::<S, 1>(s, memory, task, c);
                c += S::LANES;
            }
        }
    }
}

/// Number of independent sums; each covers every fourth pixel.
const CHAINS: usize = 4;

impl BiasSums {
    #[inline(always)]
    unsafe fn block<S: Simd, const V: usize>(&self, s: S, memory: Memory<'_>, task: usize, c: usize) {
        let range = Chunks::parts(self.dy.pixels).range(task);
        let mut sums = [[s.splat(0.0); V]; CHAINS];
        // SAFETY: the range is inside `dy`, and `check` verified that the row exists.
        unsafe {
            let dy = memory.at(&self.dy).add(range.start * self.dy.ld + c);
            let mut pixel = 0;
            while pixel + CHAINS <= range.len() {
                for chain in 0..CHAINS {
                    for v in 0..V {
                        let value = s.load(dy.add((pixel + chain) * self.dy.ld + v * S::LANES));
                        sums[chain][v] = s.add(sums[chain][v], value);
                    }
                }
                pixel += CHAINS;
            }
            while pixel < range.len() {
                for v in 0..V {
                    sums[0][v] = s.add(sums[0][v], s.load(dy.add(pixel * self.dy.ld + v * S::LANES)));
                }
                pixel += 1;
            }
            let row = memory.at(&self.partials).add(task * self.partials.ld + c);
            for v in 0..V {
                let low = s.add(sums[0][v], sums[1][v]);
                let high = s.add(sums[2][v], sums[3][v]);
                s.store(row.add(v * S::LANES), s.add(low, high));
            }
        }
    }
}

/// Adds the rows of [`BiasSums`], summed in `f64`, to the gradient of the bias.
#[derive(Debug, Clone)]
pub struct BiasGradient {
    /// One row per part, as [`BiasSums`] writes them.
    pub partials: View,
    /// The kernel adds the gradient to this vector.
    pub db: View,
}

// SAFETY: a task reads and writes its own segment of channels.
unsafe impl Kernel for BiasGradient {
    fn operands(&self) -> Vec<Operand> {
        vec![self.partials.read(), self.db.update()]
    }

    fn check(&self, label: &str) -> Result<(), KernelError> {
        segments(label, "channels of the sums", self.partials.channels)?;
        fits!(label, "the bias's gradient", self.db, 1, self.partials.channels)
    }

    fn tasks(&self) -> usize {
        self.partials.channels / SEGMENT
    }

    #[inline(always)]
    unsafe fn run<S: Simd>(&self, _s: S, memory: Memory<'_>, task: usize, _scratch: *mut f32) {
        let mut sums = [0.0f64; SEGMENT];
        // SAFETY: `check` verified that both have this segment.
        unsafe {
            for part in 0..self.partials.pixels {
                let row = memory.at(&self.partials).add(part * self.partials.ld + task * SEGMENT);
                for (i, sum) in sums.iter_mut().enumerate() {
                    *sum += f64::from(*row.add(i));
                }
            }
            let db = memory.at(&self.db).add(task * SEGMENT);
            for (i, sum) in sums.iter().enumerate() {
                // As in the gradient of batch norm, rounded before the addition.
                *db.add(i) += *sum as f32;
            }
        }
    }
}
