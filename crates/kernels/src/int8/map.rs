//! [`MapCodes`]: a table for every code of a tensor, for an activation function or another scale.

use super::dot::{Dot, WithDot};
use super::{CODES, Int8Isa, LANES};
use crate::chunk::Chunks;
use crate::fit::{fits, in_place, segments};
use crate::memory::Memory;
use crate::program::Kernel;
use crate::simd::Simd;
use crate::view::Operand;
use crate::{KernelError, View};

/// `y = table[x]`. `y` may be `x`.
#[derive(Debug, Clone)]
pub struct MapCodes {
    /// Instruction set.
    pub isa: Int8Isa,
    /// Input, in words.
    pub x: View,
    /// Output, in words.
    pub y: View,
    /// The code that replaces each code.
    pub table: Box<[u8; 256]>,
}

impl MapCodes {
    fn chunks(&self) -> Chunks {
        Chunks::new(self.y.pixels, self.y.channels)
    }
}

struct Call<'a> {
    map: &'a MapCodes,
    memory: Memory<'a>,
    task: usize,
}

impl WithDot for Call<'_> {
    #[inline(always)]
    fn with<D: Dot>(self, d: D) {
        let Self { map, memory, task } = self;
        for pixel in map.chunks().range(task) {
            // SAFETY: `check` verified that both views have this pixel and whole segments.
            unsafe {
                let x = memory.at(&map.x).add(pixel * map.x.ld).cast::<u8>();
                let y = memory.at(&map.y).add(pixel * map.y.ld).cast::<u8>();
                let mut c = 0;
                while c < map.y.channels * CODES {
                    d.look_up(map.table.as_ptr(), x.add(c), y.add(c));
                    c += LANES;
                }
            }
        }
    }
}

// SAFETY: a task writes its own range of pixels, each segment after reading it.
unsafe impl Kernel for MapCodes {
    fn operands(&self) -> Vec<Operand> {
        in_place(&[self.x], self.y.write())
    }

    fn check(&self, label: &str) -> Result<(), KernelError> {
        segments(label, "channels of y", self.y.channels.saturating_mul(CODES))?;
        fits!(label, "x", self.x, self.y.pixels, self.y.channels)
    }

    fn tasks(&self) -> usize {
        self.chunks().count()
    }

    #[inline(always)]
    unsafe fn run<S: Simd>(&self, _: S, memory: Memory<'_>, task: usize, _: *mut f32) {
        self.isa.run(Call { map: self, memory, task });
    }
}
