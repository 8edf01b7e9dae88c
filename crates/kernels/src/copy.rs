//! [`Copy`] between views, and [`Zero`].

use crate::chunk::Chunks;
use crate::fit::{fits, segments};
use crate::memory::Memory;
use crate::program::Kernel;
use crate::simd::Simd;
use crate::view::Operand;
use crate::{KernelError, View};

/// `to = from` or `to += from`: for a concat or slice that cannot be a view, and for gradients of a wire with
/// several readers.
#[derive(Debug, Clone)]
pub struct Copy {
    /// Source.
    pub from: View,
    /// Destination with the same pixels and channels as `from`.
    pub to: View,
    /// Whether to add to the values in `to` instead of overwriting them.
    pub accumulate: bool,
}

// SAFETY: a task reads and writes its own range of pixels.
unsafe impl Kernel for Copy {
    fn operands(&self) -> Vec<Operand> {
        vec![self.from.read(), self.to.store(self.accumulate)]
    }

    fn check(&self, label: &str) -> Result<(), KernelError> {
        segments(label, "channels of the source", self.from.channels)?;
        fits!(label, "the destination", self.to, self.from.pixels, self.from.channels)
    }

    fn tasks(&self) -> usize {
        Chunks::new(self.from.pixels, self.from.channels).count()
    }

    #[inline(always)]
    unsafe fn run<S: Simd>(&self, s: S, memory: Memory<'_>, task: usize, _scratch: *mut f32) {
        for pixel in Chunks::new(self.from.pixels, self.from.channels).range(task) {
            // SAFETY: `check` verified that both have this pixel and the same whole vectors of channels.
            unsafe {
                let from = memory.at(&self.from).add(pixel * self.from.ld);
                let to = memory.at(&self.to).add(pixel * self.to.ld);
                let mut c = 0;
                while c < self.from.channels {
                    let mut value = s.load(from.add(c));
                    if self.accumulate {
                        value = s.add(s.load(to.add(c)), value);
                    }
                    s.store(to.add(c), value);
                    c += S::LANES;
                }
            }
        }
    }
}

/// Overwrites a view with zeros.
#[derive(Debug, Clone)]
pub struct Zero {
    /// The view to overwrite.
    pub view: View,
}

// SAFETY: a task writes its own range of pixels.
unsafe impl Kernel for Zero {
    fn operands(&self) -> Vec<Operand> {
        vec![self.view.write()]
    }

    fn check(&self, label: &str) -> Result<(), KernelError> {
        segments(label, "channels of the view", self.view.channels)
    }

    fn tasks(&self) -> usize {
        Chunks::new(self.view.pixels, self.view.channels).count()
    }

    #[inline(always)]
    unsafe fn run<S: Simd>(&self, s: S, memory: Memory<'_>, task: usize, _scratch: *mut f32) {
        for pixel in Chunks::new(self.view.pixels, self.view.channels).range(task) {
            // SAFETY: the view has this pixel and whole vectors of channels.
            unsafe {
                let row = memory.at(&self.view).add(pixel * self.view.ld);
                let mut c = 0;
                while c < self.view.channels {
                    s.store(row.add(c), s.splat(0.0));
                    c += S::LANES;
                }
            }
        }
    }
}
