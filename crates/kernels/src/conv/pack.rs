//! [`Pack`] and [`PackTransposed`]: reorder weights into panels, so that tiles read them in one stream.

use crate::memory::Memory;
use crate::panels::{Panel, panels};
use crate::program::Kernel;
use crate::simd::Simd;
use crate::view::{Operand, View};
use crate::{ConvShape, Isa};

/// Writes panels of `[tap][in]` over output channels, from weights `[tap][in][out]`.
pub(crate) struct Pack {
    shape: ConvShape,
    panels: Vec<Panel>,
    weights: View,
    packed: View,
}

impl Pack {
    pub(crate) fn new(isa: Isa, shape: ConvShape, weights: View, packed: View) -> Self {
        Self { shape, panels: panels(isa.widest_panel(), shape.output().c), weights, packed }
    }
}

// SAFETY: a task writes its own panel.
unsafe impl Kernel for Pack {
    fn operands(&self) -> Vec<Operand> {
        vec![self.weights.read(), self.packed.write()]
    }

    fn tasks(&self) -> usize {
        self.panels.len()
    }

    #[inline(always)]
    unsafe fn run<S: Simd>(&self, s: S, memory: Memory<'_>, task: usize, _: *mut f32) {
        let Panel { start, width } = self.panels[task];
        let co = self.shape.output().c;
        let k = self.shape.weights_len() / co;
        // SAFETY: the contract of the kernel; a panel lies inside `packed`, each of its rows inside
        // `weights`.
        unsafe {
            let from = memory.at(&self.weights).add(start);
            let to = memory.at(&self.packed).add(start * k);
            for row in 0..k {
                let mut c = 0;
                while c < width {
                    s.store(to.add(row * width + c), s.load(from.add(row * co + c)));
                    c += S::LANES;
                }
            }
        }
    }
}

/// Writes panels of `[flipped tap][out]` over input channels, for the input gradient.
pub(crate) struct PackTransposed {
    shape: ConvShape,
    panels: Vec<Panel>,
    weights: View,
    packed: View,
}

impl PackTransposed {
    pub(crate) fn new(isa: Isa, shape: ConvShape, weights: View, packed: View) -> Self {
        Self { shape, panels: panels(isa.widest_panel(), shape.input().c), weights, packed }
    }
}

/// Number of output channels transposed together: one cache line of the row of each input channel.
const BLOCK: usize = 16;

// SAFETY: a task writes its own panel.
unsafe impl Kernel for PackTransposed {
    fn operands(&self) -> Vec<Operand> {
        vec![self.weights.read(), self.packed.write()]
    }

    fn tasks(&self) -> usize {
        self.panels.len()
    }

    #[inline(always)]
    unsafe fn run<S: Simd>(&self, _: S, memory: Memory<'_>, task: usize, _: *mut f32) {
        let Panel { start, width } = self.panels[task];
        let ci = self.shape.input().c;
        let co = self.shape.output().c;
        let taps = self.shape.window().area();
        // SAFETY: the contract of the kernel; widths are whole segments, so all blocks are complete.
        unsafe {
            let from = memory.at(&self.weights);
            let to = memory.at(&self.packed).add(start * taps * co);
            for tap in 0..taps {
                let from = from.add((tap * ci + start) * co);
                let to = to.add((taps - 1 - tap) * co * width);
                let mut block = 0;
                while block < co {
                    for i in 0..width {
                        for o in block..block + BLOCK {
                            *to.add(o * width + i) = *from.add(i * co + o);
                        }
                    }
                    block += BLOCK;
                }
            }
        }
    }
}
