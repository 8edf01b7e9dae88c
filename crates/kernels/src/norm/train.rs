//! [`BatchNorm`]: batch norm with the statistics of the batch, for training.
//!
//! As in PyTorch, the batch is normalised with the variance over `n`, the running variance uses the variance
//! over `n - 1`, and `running = (1 - momentum) * running + momentum * batch`.

use super::{inverse_deviation, load, store};
use crate::fit::{equal, fits, segments};
use crate::memory::Memory;
use crate::program::Kernel;
use crate::simd::Simd;
use crate::view::Operand;
use crate::{KernelError, SEGMENT, View};

/// Combines the moments of the parts of a batch into statistics and computes scale and shift.
///
/// Method: Chan, Golub and `LeVeque`, "Updating formulae and a pairwise algorithm for computing sample
/// variances".
#[derive(Debug, Clone)]
pub struct BatchNorm {
    /// Number of pixels in each part.
    pub counts: Vec<usize>,
    /// Rows `2p` and `2p + 1`: mean and sum of squared deviations of part `p`.
    pub partials: View,
    /// Learned scale, a vector.
    pub gamma: View,
    /// Learned shift, a vector.
    pub beta: View,
    /// Running mean; moves towards the mean of the batch.
    pub running_mean: View,
    /// Running variance; moves towards the variance of the batch.
    pub running_var: View,
    /// Weight of this batch in the running statistics.
    pub momentum: f32,
    /// Added to the variance.
    pub eps: f32,
    /// Receives the mean of the batch.
    pub mean: View,
    /// Receives `1 / sqrt(variance + eps)`.
    pub inv: View,
    /// Receives `gamma * inv`.
    pub scale: View,
    /// Receives `beta - mean * scale`.
    pub shift: View,
}

// SAFETY: a task reads and writes its own segment of every vector.
unsafe impl Kernel for BatchNorm {
    fn operands(&self) -> Vec<Operand> {
        let mut operands = vec![self.partials.read(), self.gamma.read(), self.beta.read()];
        operands.extend([self.running_mean, self.running_var].map(View::update));
        operands.extend([self.mean, self.inv, self.scale, self.shift].map(View::write));
        operands
    }

    fn check(&self, label: &str) -> Result<(), KernelError> {
        let channels = self.gamma.channels;
        segments(label, "channels of gamma", channels)?;
        fits!(label, "gamma", self.gamma, 1, channels)?;
        fits!(label, "beta", self.beta, 1, channels)?;
        fits!(label, "the running mean", self.running_mean, 1, channels)?;
        fits!(label, "the running variance", self.running_var, 1, channels)?;
        fits!(label, "mean", self.mean, 1, channels)?;
        fits!(label, "inv", self.inv, 1, channels)?;
        fits!(label, "scale", self.scale, 1, channels)?;
        fits!(label, "shift", self.shift, 1, channels)?;
        fits!(label, "the moments", self.partials, 2 * self.counts.len(), channels)?;
        let pixels = self.counts.iter().fold(0, |sum: usize, &count| sum.saturating_add(count));
        // A single value has no variance.
        equal(label, "number of pixels to normalise over", pixels, pixels.max(2))
    }

    fn tasks(&self) -> usize {
        self.gamma.channels / SEGMENT
    }

    #[inline(always)]
    unsafe fn run<S: Simd>(&self, _s: S, memory: Memory<'_>, task: usize, _scratch: *mut f32) {
        let mut n = 0.0;
        let mut mean = [0.0; SEGMENT];
        let mut m2 = [0.0; SEGMENT];
        // SAFETY: `check` verified that every vector has this segment and every part its two rows.
        unsafe {
            for (part, &count) in self.counts.iter().enumerate() {
                let of_part = load(memory, &self.partials, 2 * part, task);
                let m2_of_part = load(memory, &self.partials, 2 * part + 1, task);
                if count == 0 {
                    continue;
                }
                let total = n + count as f64;
                let share = count as f64 / total;
                let both = n * count as f64 / total;
                for i in 0..SEGMENT {
                    let delta = of_part[i] - mean[i];
                    mean[i] += delta * share;
                    m2[i] += m2_of_part[i] + delta * delta * both;
                }
                n = total;
            }
            let gamma = load(memory, &self.gamma, 0, task);
            let beta = load(memory, &self.beta, 0, task);
            let mut running_mean = load(memory, &self.running_mean, 0, task);
            let mut running_var = load(memory, &self.running_var, 0, task);
            let momentum = f64::from(self.momentum);
            let mut inv = [0.0; SEGMENT];
            let mut scale = [0.0; SEGMENT];
            let mut shift = [0.0; SEGMENT];
            for i in 0..SEGMENT {
                running_mean[i] += momentum * (mean[i] - running_mean[i]);
                running_var[i] += momentum * (m2[i] / (n - 1.0) - running_var[i]);
                inv[i] = inverse_deviation(m2[i] / n, self.eps);
                scale[i] = gamma[i] * inv[i];
            }
            let scale = store(memory, &self.scale, task, &scale);
            for i in 0..SEGMENT {
                shift[i] = beta[i] - mean[i] * scale[i];
            }
            store(memory, &self.shift, task, &shift);
            store(memory, &self.mean, task, &mean);
            store(memory, &self.inv, task, &inv);
            store(memory, &self.running_mean, task, &running_mean);
            store(memory, &self.running_var, task, &running_var);
        }
    }
}
