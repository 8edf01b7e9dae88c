//! [`FrozenBatchNorm`]: batch norm with fixed statistics, for evaluation and frozen layers.

use super::{inverse_deviation, load, store};
use crate::fit::{fits, segments};
use crate::memory::Memory;
use crate::program::Kernel;
use crate::simd::Simd;
use crate::view::Operand;
use crate::{KernelError, SEGMENT, View};

/// Computes scale and shift of a batch norm from fixed statistics. All views are vectors of the same length.
#[derive(Debug, Clone)]
pub struct FrozenBatchNorm {
    /// Learned scale.
    pub gamma: View,
    /// Learned shift.
    pub beta: View,
    /// Mean.
    pub mean: View,
    /// Variance.
    pub var: View,
    /// Added to the variance.
    pub eps: f32,
    /// Receives `gamma / sqrt(var + eps)`.
    pub scale: View,
    /// Receives `beta - mean * scale`.
    pub shift: View,
}

// SAFETY: a task reads and writes its own segment of every vector.
unsafe impl Kernel for FrozenBatchNorm {
    fn operands(&self) -> Vec<Operand> {
        let mut operands = [self.gamma, self.beta, self.mean, self.var].map(View::read).to_vec();
        operands.extend([self.scale, self.shift].map(View::write));
        operands
    }

    fn check(&self, label: &str) -> Result<(), KernelError> {
        let channels = self.gamma.channels;
        segments(label, "channels of gamma", channels)?;
        fits!(label, "gamma", self.gamma, 1, channels)?;
        fits!(label, "beta", self.beta, 1, channels)?;
        fits!(label, "mean", self.mean, 1, channels)?;
        fits!(label, "variance", self.var, 1, channels)?;
        fits!(label, "scale", self.scale, 1, channels)?;
        fits!(label, "shift", self.shift, 1, channels)
    }

    fn tasks(&self) -> usize {
        self.gamma.channels / SEGMENT
    }

    #[inline(always)]
    unsafe fn run<S: Simd>(&self, _s: S, memory: Memory<'_>, task: usize, _scratch: *mut f32) {
        // SAFETY: `check` verified that every vector has this segment.
        unsafe {
            let gamma = load(memory, &self.gamma, 0, task);
            let beta = load(memory, &self.beta, 0, task);
            let mean = load(memory, &self.mean, 0, task);
            let var = load(memory, &self.var, 0, task);
            let mut scale = [0.0; SEGMENT];
            let mut shift = [0.0; SEGMENT];
            for i in 0..SEGMENT {
                scale[i] = gamma[i] * inverse_deviation(var[i], self.eps);
            }
            let scale = store(memory, &self.scale, task, &scale);
            for i in 0..SEGMENT {
                shift[i] = beta[i] - mean[i] * scale[i];
            }
            store(memory, &self.shift, task, &shift);
        }
    }
}
