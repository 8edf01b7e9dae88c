//! [`Pointwise`]: applies `z = act(scale * y + shift) + residual` to every value.

use crate::chunk::Chunks;
use crate::fit::{fits, in_place, segments};
use crate::math::silu;
use crate::memory::Memory;
use crate::program::Kernel;
use crate::simd::Simd;
use crate::view::Operand;
use crate::{KernelError, View};

/// `z = act(scale * y + shift) + residual`.
#[derive(Debug, Clone)]
pub struct Pointwise {
    /// Input.
    pub y: View,
    /// Output; may be the same view as `y` or the residual.
    pub z: View,
    /// Scale and shift, vectors of one value per channel.
    pub norm: Option<(View, View)>,
    /// Whether to apply SiLU.
    pub silu: bool,
    /// Tensor to add at the end.
    pub residual: Option<View>,
}

// SAFETY: a task reads and writes its own range of pixels, and writes each value after reading it.
unsafe impl Kernel for Pointwise {
    fn operands(&self) -> Vec<Operand> {
        let read: Vec<View> = [self.y].into_iter().chain(self.residual).collect();
        let mut operands = in_place(&read, self.z.write());
        operands.extend(self.norm.iter().flat_map(|&(scale, shift)| [scale.read(), shift.read()]));
        operands
    }

    fn check(&self, label: &str) -> Result<(), KernelError> {
        let pixels = self.y.pixels;
        let channels = self.y.channels;
        segments(label, "channels of y", channels)?;
        fits!(label, "z", self.z, pixels, channels)?;
        if let Some((scale, shift)) = &self.norm {
            fits!(label, "scale", scale, 1, channels)?;
            fits!(label, "shift", shift, 1, channels)?;
        }
        if let Some(residual) = &self.residual {
            fits!(label, "the residual", residual, pixels, channels)?;
        }
        Ok(())
    }

    fn tasks(&self) -> usize {
        Chunks::new(self.y.pixels, self.y.channels).count()
    }

    #[inline(always)]
    unsafe fn run<S: Simd>(&self, s: S, memory: Memory<'_>, task: usize, _scratch: *mut f32) {
        // SAFETY: the contract of this method.
        unsafe { chunk_of!(self, s, memory, task, [self.norm.is_some(), self.silu, self.residual.is_some()]) }
    }
}

impl Pointwise {
    #[inline(always)]
    unsafe fn chunk<S: Simd, const NORM: bool, const SILU: bool, const RESIDUAL: bool>(
        &self,
        s: S,
        memory: Memory<'_>,
        task: usize,
    ) {
        // The kernel never reads the placeholders of absent views.
        let (scale, shift) = self.norm.as_ref().map_or((&self.y, &self.y), |(scale, shift)| (scale, shift));
        let residual = self.residual.as_ref().unwrap_or(&self.y);
        // SAFETY: `check` verified that all tensors have the same pixels and channels, and the vectors the
        // same channels.
        unsafe {
            let scale = memory.at(scale);
            let shift = memory.at(shift);
            for pixel in Chunks::new(self.y.pixels, self.y.channels).range(task) {
                let y = memory.at(&self.y).add(pixel * self.y.ld);
                let z = memory.at(&self.z).add(pixel * self.z.ld);
                let r = memory.at(residual).add(pixel * residual.ld);
                let mut c = 0;
                while c < self.y.channels {
                    let mut value = s.load(y.add(c));
                    if NORM {
                        value = s.fma(value, s.load(scale.add(c)), s.load(shift.add(c)));
                    }
                    if SILU {
                        value = silu(s, value);
                    }
                    if RESIDUAL {
                        value = s.add(value, s.load(r.add(c)));
                    }
                    s.store(z.add(c), value);
                    c += S::LANES;
                }
            }
        }
    }
}
