//! [`Blocks`]: the weights of a grouped convolution as those of an ungrouped one, a matrix of zeros with one
//! block per group.
//!
//! With it, the kernels of ungrouped convolutions run any number of groups, at the cost of an ungrouped
//! convolution. Depthwise convolutions, the usual grouped ones, have separate kernels.

use std::sync::Arc;

use crate::fit::{equal, fits};
use crate::memory::Memory;
use crate::program::Kernel;
use crate::simd::Simd;
use crate::view::Operand;
use crate::{KernelError, View};

/// Positions of the weights of a grouped convolution.
///
/// The grouped weights are `[tap][input of the group][output]`, the matrix is `[tap][input][output]`. Outputs
/// and the inputs of the matrix are physical channels, that is, they include padding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blocks {
    /// Number of pixels under the kernel.
    pub taps: usize,
    /// Number of groups, a divisor of both channel counts.
    pub groups: usize,
    /// Physical position of every input channel.
    pub inputs: Vec<usize>,
    /// Physical position of every output channel.
    pub outputs: Vec<usize>,
    /// Number of physical channels of input and output.
    pub widths: [usize; 2],
}

impl Blocks {
    /// Number of inputs and outputs in a group.
    fn sizes(&self) -> [usize; 2] {
        [&self.inputs, &self.outputs].map(|channels| channels.len() / self.groups.max(1))
    }

    fn check(&self, label: &str, grouped: &View, whole: &View) -> Result<(), KernelError> {
        for (channels, width) in [&self.inputs, &self.outputs].into_iter().zip(self.widths) {
            let in_groups = channels.len() / self.groups.max(1) * self.groups;
            equal(label, "channels of whole groups", in_groups, channels.len())?;
            let last = channels.iter().copied().max().unwrap_or(0);
            equal(label, "channels within the width", width.min(last + 1), last + 1)?;
        }
        let rows = self.taps.saturating_mul(self.widths[1]);
        fits!(label, "the weights of groups", grouped, 1, rows.saturating_mul(self.sizes()[0]))?;
        fits!(label, "the weights of a matrix", whole, 1, rows.saturating_mul(self.widths[0]))
    }

    /// Calls `f(position in the grouped weights, position in the matrix)` for every weight of a tap.
    #[inline(always)]
    fn each(&self, tap: usize, mut f: impl FnMut(usize, usize)) {
        let ([ins, outs], [width_in, width_out]) = (self.sizes(), self.widths);
        for (o, output) in self.outputs.iter().enumerate() {
            for i in 0..ins {
                let input = self.inputs[o / outs * ins + i];
                f((tap * ins + i) * width_out + output, (tap * width_in + input) * width_out + output);
            }
        }
    }
}

/// Copies grouped weights into the matrix.
#[derive(Debug, Clone)]
pub struct Spread {
    /// Positions of the weights.
    pub blocks: Arc<Blocks>,
    /// The grouped weights.
    pub from: View,
    /// Receives the matrix.
    pub to: View,
}

// SAFETY: a task writes the matrix of its tap.
unsafe impl Kernel for Spread {
    fn operands(&self) -> Vec<Operand> {
        vec![self.from.read(), self.to.write()]
    }

    fn check(&self, label: &str) -> Result<(), KernelError> {
        self.blocks.check(label, &self.from, &self.to)
    }

    fn tasks(&self) -> usize {
        self.blocks.taps
    }

    #[inline(always)]
    unsafe fn run<S: Simd>(&self, _: S, memory: Memory<'_>, task: usize, _scratch: *mut f32) {
        let [width_in, width_out] = self.blocks.widths;
        // SAFETY: `check` verified that every position lies inside both views.
        unsafe {
            let from = memory.at(&self.from);
            let to = memory.at(&self.to);
            to.add(task * width_in * width_out).write_bytes(0, width_in * width_out);
            self.blocks.each(task, |grouped, whole| *to.add(whole) = *from.add(grouped));
        }
    }
}

/// Adds the blocks of a matrix to grouped weights: the backward of [`Spread`], for gradients.
#[derive(Debug, Clone)]
pub struct Collect {
    /// Positions of the weights.
    pub blocks: Arc<Blocks>,
    /// The matrix.
    pub from: View,
    /// The grouped weights.
    pub to: View,
}

// SAFETY: a task writes the weights of its tap.
unsafe impl Kernel for Collect {
    fn operands(&self) -> Vec<Operand> {
        vec![self.from.read(), self.to.update()]
    }

    fn check(&self, label: &str) -> Result<(), KernelError> {
        self.blocks.check(label, &self.to, &self.from)
    }

    fn tasks(&self) -> usize {
        self.blocks.taps
    }

    #[inline(always)]
    unsafe fn run<S: Simd>(&self, _: S, memory: Memory<'_>, task: usize, _scratch: *mut f32) {
        // SAFETY: `check` verified that every position lies inside both views.
        unsafe {
            let from = memory.at(&self.from);
            let to = memory.at(&self.to);
            self.blocks.each(task, |grouped, whole| *to.add(grouped) += *from.add(whole));
        }
    }
}
