//! [`Depthwise`]: a convolution of codes in which every channel has its own window of weights.

use super::constants::Constants;
use super::conv::{QuantizedConv, QuantizedOutput};
use super::dot::{Dot, WithDot};
use super::forward::{Epilogue, Source};
use super::strip::fill;
use super::tile::To;
use super::{CODES, Int8Isa, LANES};
use crate::conv::grid::{Grid, Part};
use crate::memory::Memory;
use crate::panels::extent;
use crate::program::Kernel;
use crate::simd::Simd;
use crate::view::Operand;
use crate::{ConvShape, View};

/// `y = conv(x)`, channel by channel.
pub(crate) struct Depthwise {
    isa: Int8Isa,
    shape: ConvShape,
    zero_point: u8,
    grid: Grid,
    places: Constants,
    x: View,
    constants: View,
    epilogue: Epilogue,
}

impl Depthwise {
    pub(crate) fn new(conv: &QuantizedConv, [x, constants, y]: [View; 3], output: QuantizedOutput) -> Self {
        let QuantizedConv { isa, shape, zero_point, ref grid, .. } = *conv;
        let grid = grid.clone();
        let places = conv.constants();
        Self { isa, shape, zero_point, grid, places, x, constants, epilogue: Epilogue { y, output } }
    }

    fn part_at(&self, task: usize) -> (Part, [usize; 2]) {
        let groups = self.grid.groups.len();
        let (from, count) = extent(&self.grid.groups[task % groups]);
        (self.grid.part(task / groups), [from, count])
    }

    /// The sums of one output pixel and one segment of channels.
    ///
    /// # Safety
    /// `x` is the first input of the pixel in a strip of `row` codes per row.
    #[inline(always)]
    unsafe fn sums<D: Dot>(
        &self,
        d: D,
        x: *const u8,
        row: usize,
        constants: *const f32,
        c: usize,
    ) -> D::Sums {
        let [rows, columns] = self.shape.window().kernel;
        let channels = self.shape.input().c;
        // SAFETY: the caller's promise; the constants have a weight for every tap and channel.
        unsafe {
            let mut sums = d.sums(constants.add(self.places.sums() + c).cast());
            for ky in 0..rows {
                for kx in 0..columns {
                    let weights = constants.add((ky * columns + kx) * channels + c).cast();
                    sums = d.multiply_add(sums, x.add(ky * row + kx * channels + c), weights);
                }
            }
            sums
        }
    }
}

struct Call<'a> {
    kernel: &'a Depthwise,
    memory: Memory<'a>,
    task: usize,
    scratch: *mut u8,
}

impl WithDot for Call<'_> {
    #[inline(always)]
    fn with<D: Dot>(self, d: D) {
        let Self { kernel, memory, task, scratch } = self;
        let (part, [from, count]) = kernel.part_at(task);
        let input = kernel.shape.input();
        let stride = kernel.shape.window().stride;
        let Source { strip, first, size: [h, w], output: [_, columns] } = Source::new(&kernel.shape, &part);
        let ld = kernel.x.ld * CODES;
        // SAFETY: only `Kernel::run` creates it, and its caller makes the same promise; the strip includes
        // its padding, so every tap lies inside.
        unsafe {
            let image = memory.at(&kernel.x).cast::<u8>().add(first * ld);
            // Codes stay bytes here, as on the sets that multiply bytes.
            fill(1, &strip, image, [h, w, ld], kernel.zero_point, scratch);
            let constants = memory.at(&kernel.constants).cast_const();
            for pixel in 0..part.pixels.len() {
                let row = pixel / columns * stride[0];
                let column = pixel % columns * stride[1];
                let x = scratch.add((row * strip.columns + column) * input.c);
                let mut c = from;
                while c < from + count {
                    let sums = kernel.sums(d, x, strip.row_len(), constants, c);
                    let scale = constants.add(kernel.places.scale() + c);
                    let bias = constants.add(kernel.places.bias() + c);
                    let table = constants.add(kernel.places.table()).cast();
                    match kernel.epilogue.to(memory, [part.pixels.start + pixel, c], table) {
                        To::Codes { y, table, .. } => d.store_codes([sums], scale, bias, table, y),
                        To::Values { y, .. } => d.store_values(sums, scale, bias, y),
                    }
                    c += LANES;
                }
            }
            let pixels = [part.pixels.start, part.pixels.len()];
            kernel.epilogue.finish(d, memory, pixels, [from, count]);
        }
    }
}

// SAFETY: a task writes the pixels of its part and the channels of its group.
unsafe impl Kernel for Depthwise {
    fn operands(&self) -> Vec<Operand> {
        let mut operands = vec![self.x.read(), self.constants.read()];
        operands.extend(self.epilogue.operands());
        operands
    }

    fn tasks(&self) -> usize {
        self.grid.tasks()
    }

    fn scratch_len(&self) -> usize {
        // No part has more rows than the first part.
        Source::new(&self.shape, &self.grid.part(0)).strip.len().div_ceil(CODES)
    }

    #[inline(always)]
    unsafe fn run<S: Simd>(&self, _: S, memory: Memory<'_>, task: usize, scratch: *mut f32) {
        self.isa.run(Call { kernel: self, memory, task, scratch: scratch.cast() });
    }
}
