//! [`BatchNormGradient`]: gradients of gamma and beta, and the coefficients of the gradient of the input.

use super::{load, store};
use crate::fit::{equal, fits, segments};
use crate::memory::Memory;
use crate::program::Kernel;
use crate::simd::Simd;
use crate::view::Operand;
use crate::{KernelError, SEGMENT, View};

/// Combines the sums of [`PointwiseSums`](crate::PointwiseSums).
///
/// Let `du` be the gradient of the normalised value `u`, with sums over the `n` pixels. Then `dbeta = sum du`
/// and `dgamma = inv * sum du (y - mean)`. Mean and variance also depend on `y`, so
/// `dy = scale * (du - dbeta / n - (y - mean) * inv * dgamma / n) = scale * du + k1 * y + k0`.
#[derive(Debug, Clone)]
pub struct BatchNormGradient {
    /// Number of pixels that the statistics cover.
    pub pixels: usize,
    /// Rows `2p` and `2p + 1`: `sum du` and `inv * sum du (y - mean)` of part `p`.
    pub partials: View,
    /// Scale that [`BatchNorm`](crate::BatchNorm) wrote: a vector, like all views below.
    pub scale: View,
    /// Mean that [`BatchNorm`](crate::BatchNorm) wrote.
    pub mean: View,
    /// Inverse deviation that [`BatchNorm`](crate::BatchNorm) wrote.
    pub inv: View,
    /// The kernel adds the gradient of gamma to this view.
    pub dgamma: View,
    /// The kernel adds the gradient of beta to this view.
    pub dbeta: View,
    /// Receives `-scale * inv * dgamma / n`.
    pub k1: View,
    /// Receives `-scale * dbeta / n - k1 * mean`.
    pub k0: View,
}

// SAFETY: a task reads and writes its own segment of every vector.
unsafe impl Kernel for BatchNormGradient {
    fn operands(&self) -> Vec<Operand> {
        let mut operands = [self.partials, self.scale, self.mean, self.inv].map(View::read).to_vec();
        operands.extend([self.dgamma, self.dbeta].map(View::update));
        operands.extend([self.k1, self.k0].map(View::write));
        operands
    }

    fn check(&self, label: &str) -> Result<(), KernelError> {
        let channels = self.scale.channels;
        segments(label, "channels of scale", channels)?;
        equal(label, "rows of the sums", self.partials.pixels, self.partials.pixels.next_multiple_of(2))?;
        fits!(label, "the sums", self.partials, self.partials.pixels, channels)?;
        fits!(label, "scale", self.scale, 1, channels)?;
        fits!(label, "mean", self.mean, 1, channels)?;
        fits!(label, "inv", self.inv, 1, channels)?;
        fits!(label, "dgamma", self.dgamma, 1, channels)?;
        fits!(label, "dbeta", self.dbeta, 1, channels)?;
        fits!(label, "k1", self.k1, 1, channels)?;
        fits!(label, "k0", self.k0, 1, channels)?;
        equal(label, "number of pixels normalised over", self.pixels, self.pixels.max(2))
    }

    fn tasks(&self) -> usize {
        self.scale.channels / SEGMENT
    }

    #[inline(always)]
    unsafe fn run<S: Simd>(&self, _s: S, memory: Memory<'_>, task: usize, _scratch: *mut f32) {
        let mut sum = [0.0; SEGMENT];
        let mut sum_hat = [0.0; SEGMENT];
        // SAFETY: `check` verified that every vector has this segment and every part its two rows.
        unsafe {
            for part in 0..self.partials.pixels / 2 {
                let du = load(memory, &self.partials, 2 * part, task);
                let du_hat = load(memory, &self.partials, 2 * part + 1, task);
                for i in 0..SEGMENT {
                    sum[i] += du[i];
                    sum_hat[i] += du_hat[i];
                }
            }
            let scale = load(memory, &self.scale, 0, task);
            let mean = load(memory, &self.mean, 0, task);
            let inv = load(memory, &self.inv, 0, task);
            let mut dgamma = load(memory, &self.dgamma, 0, task);
            let mut dbeta = load(memory, &self.dbeta, 0, task);
            let mut k1 = [0.0; SEGMENT];
            let mut k0 = [0.0; SEGMENT];
            let n = self.pixels as f64;
            for i in 0..SEGMENT {
                // Rounded before the addition, so that batches of several processes add up to the same bits as batches of
                // one.
                dgamma[i] = f64::from(dgamma[i] as f32 + sum_hat[i] as f32);
                dbeta[i] = f64::from(dbeta[i] as f32 + sum[i] as f32);
                k1[i] = -scale[i] * inv[i] * sum_hat[i] / n;
            }
            // Uses the rounded k1, so that k1 * y + k0 is centred at the mean.
            let k1 = store(memory, &self.k1, task, &k1);
            for i in 0..SEGMENT {
                k0[i] = -scale[i] * sum[i] / n - k1[i] * mean[i];
            }
            store(memory, &self.k0, task, &k0);
            store(memory, &self.dgamma, task, &dgamma);
            store(memory, &self.dbeta, task, &dbeta);
        }
    }
}
