//! [`FoldBatchNorm`]: folds batch norm into the convolution before it, for inference.

use super::{inverse_deviation, load, store};
use crate::fit::{fits, segments};
use crate::memory::Memory;
use crate::program::Kernel;
use crate::simd::Simd;
use crate::view::Operand;
use crate::{KernelError, SEGMENT, View};

/// Computes the weights and bias of one convolution that replaces a convolution and its batch norm:
/// `weights * scale` and `(bias - mean) * scale + beta` with `scale = gamma / sqrt(var + eps)`.
#[derive(Debug, Clone)]
pub struct FoldBatchNorm {
    /// Weights: one row of output channels for every tap and input channel.
    pub weights: View,
    /// Receives the new weights; may be the same view as `weights`.
    pub folded: View,
    /// Learned scale: a vector of one value per output channel, like all views below.
    pub gamma: View,
    /// Learned shift.
    pub beta: View,
    /// Mean.
    pub mean: View,
    /// Variance.
    pub var: View,
    /// Added to the variance.
    pub eps: f32,
    /// Bias of the convolution, if it has one.
    pub bias: Option<View>,
    /// Receives the new bias.
    pub folded_bias: View,
}

// SAFETY: a task reads and writes its own segment of output channels.
unsafe impl Kernel for FoldBatchNorm {
    fn operands(&self) -> Vec<Operand> {
        let mut operands = crate::fit::in_place(&[self.weights], self.folded.write());
        operands.extend([self.gamma, self.beta, self.mean, self.var].map(View::read));
        operands.extend(self.bias.map(View::read));
        operands.push(self.folded_bias.write());
        operands
    }

    fn check(&self, label: &str) -> Result<(), KernelError> {
        let channels = self.weights.channels;
        segments(label, "channels of the weights", channels)?;
        fits!(label, "the folded weights", self.folded, self.weights.pixels, channels)?;
        fits!(label, "gamma", self.gamma, 1, channels)?;
        fits!(label, "beta", self.beta, 1, channels)?;
        fits!(label, "mean", self.mean, 1, channels)?;
        fits!(label, "variance", self.var, 1, channels)?;
        if let Some(bias) = self.bias {
            fits!(label, "bias", bias, 1, channels)?;
        }
        fits!(label, "the folded bias", self.folded_bias, 1, channels)
    }

    fn tasks(&self) -> usize {
        self.weights.channels / SEGMENT
    }

    #[inline(always)]
    unsafe fn run<S: Simd>(&self, s: S, memory: Memory<'_>, task: usize, _scratch: *mut f32) {
        // SAFETY: `check` verified that every vector has this segment and that both weights have the same
        // rows.
        unsafe {
            let gamma = load(memory, &self.gamma, 0, task);
            let beta = load(memory, &self.beta, 0, task);
            let mean = load(memory, &self.mean, 0, task);
            let var = load(memory, &self.var, 0, task);
            let mut bias = [0.0; SEGMENT];
            if let Some(view) = &self.bias {
                bias = load(memory, view, 0, task);
            }
            let mut scale = [0.0f32; SEGMENT];
            for i in 0..SEGMENT {
                let exact = gamma[i] * inverse_deviation(var[i], self.eps);
                bias[i] = (bias[i] - mean[i]) * exact + beta[i];
                scale[i] = exact as f32;
            }
            store(memory, &self.folded_bias, task, &bias);

            let from = memory.at(&self.weights).add(task * SEGMENT);
            let to = memory.at(&self.folded).add(task * SEGMENT);
            let mut lane = 0;
            while lane < SEGMENT {
                let scale = s.load(scale.as_ptr().add(lane));
                for row in 0..self.weights.pixels {
                    let weights = s.load(from.add(row * self.weights.ld + lane));
                    s.store(to.add(row * self.folded.ld + lane), s.mul(weights, scale));
                }
                lane += S::LANES;
            }
        }
    }
}
