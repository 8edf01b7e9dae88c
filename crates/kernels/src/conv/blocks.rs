//! Weights of a convolution in groups as those of an ungrouped one: a matrix of zeros with a block for every group.
//!
//! So any number of groups runs on the kernels of whole convolutions, at their cost. Depthwise convolutions, which are
//! the usual ones, have kernels of their own instead.

use std::sync::Arc;

use crate::fit::{equal, fits};
use crate::memory::{Memory, Operand};
use crate::program::Kernel;
use crate::simd::Simd;
use crate::{KernelError, View};

/// Where the weights of groups stand.
///
/// In groups they are `[tap][input of the group][output]`, as a matrix `[tap][input][output]`, with outputs and the
/// matrix's inputs in physical channels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blocks {
    /// Pixels under the kernel.
    pub taps: usize,
    /// Groups, a divisor of both numbers of channels.
    pub groups: usize,
    /// Physical position of every input channel.
    pub inputs: Vec<usize>,
    /// Physical position of every output channel.
    pub outputs: Vec<usize>,
    /// Physical channels of input and output.
    pub widths: [usize; 2],
}

impl Blocks {
    /// Inputs and outputs of a group.
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

    /// Calls `f(place in groups, place in the matrix)` for every weight of a tap.
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

/// Makes the matrix.
#[derive(Debug, Clone)]
pub struct Spread {
    /// What stands where.
    pub blocks: Arc<Blocks>,
    /// Weights of groups.
    pub from: View,
    /// Gets the matrix.
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
        // SAFETY: `check` saw that every place lies inside both views.
        unsafe {
            let from = memory.at(&self.from);
            let to = memory.at(&self.to);
            to.add(task * width_in * width_out).write_bytes(0, width_in * width_out);
            self.blocks.each(task, |grouped, whole| *to.add(whole) = *from.add(grouped));
        }
    }
}

/// Adds what stands in the blocks of a matrix to weights of groups: the gradient's way back.
#[derive(Debug, Clone)]
pub struct Collect {
    /// What stands where.
    pub blocks: Arc<Blocks>,
    /// A matrix.
    pub from: View,
    /// Weights of groups.
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
        // SAFETY: `check` saw that every place lies inside both views.
        unsafe {
            let from = memory.at(&self.from);
            let to = memory.at(&self.to);
            self.blocks.each(task, |grouped, whole| *to.add(grouped) += *from.add(whole));
        }
    }
}
