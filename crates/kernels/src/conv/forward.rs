//! [`Forward`]: the forward pass of a direct convolution.

use super::grid::{Grid, Part, is_pointwise};
use super::live::Live;
use super::strip::Strip;
use super::tile::{Rows, Run};
use crate::epilogue::{Epilogue, finish};
use crate::memory::Memory;
use crate::panels::extent;
use crate::program::Kernel;
use crate::simd::Simd;
use crate::view::{Operand, View};
use crate::{ConvShape, Isa, moments};

/// `y = conv(x)`, then the epilogue.
pub(crate) struct Forward {
    shape: ConvShape,
    grid: Grid,
    /// Inputs that every output pixel sums, relative to its first input.
    runs: Vec<Run>,
    x: View,
    packed: View,
    y: View,
    epilogue: Epilogue,
}

impl Forward {
    /// `packed` are panels of `[tap][in]`. Input channels outside `live` are zero.
    pub(crate) fn new(
        isa: Isa,
        shape: ConvShape,
        live: &Live,
        x: View,
        packed: View,
        y: View,
        epilogue: Epilogue,
    ) -> Self {
        let forward = Self { shape, grid: Grid::new(isa, &shape), runs: Vec::new(), x, packed, y, epilogue };
        if is_pointwise(&shape) {
            return Self { runs: live.runs(0, 0, 1), ..forward };
        }
        let window = shape.window();
        let c = shape.input().c;
        let row_len = forward.strip(&forward.grid.part(0)).row_len();
        // The columns under a row of the kernel are contiguous in the strip.
        let row = |ky: usize| live.runs(ky * row_len, ky * window.kernel[1] * c, window.kernel[1]);
        Self { runs: (0..window.kernel[0]).flat_map(row).collect(), ..forward }
    }

    fn strip(&self, part: &Part) -> Strip {
        let input = self.shape.input();
        let output = self.shape.output();
        let window = self.shape.window();
        Strip {
            top: (part.rows.start * window.stride[0]) as isize - window.padding[0] as isize,
            rows: (part.rows.len() - 1) * window.stride[0] + window.kernel[0],
            left: -(window.padding[1] as isize),
            columns: (output.w - 1) * window.stride[1] + window.kernel[1],
            channels: input.c,
        }
    }
}

// SAFETY: a task writes the pixels of its part and the channels of its group, in `y` and in its row of the
// moments.
unsafe impl Kernel for Forward {
    fn operands(&self) -> Vec<Operand> {
        let mut operands = vec![self.x.read(), self.packed.read(), self.y.write()];
        operands.extend(self.epilogue.operands());
        operands
    }

    fn tasks(&self) -> usize {
        self.grid.tasks()
    }

    fn scratch_len(&self) -> usize {
        if is_pointwise(&self.shape) {
            return 0;
        }
        // No part has more rows than the first part.
        self.strip(&self.grid.part(0)).len()
    }

    #[inline(always)]
    unsafe fn run<S: Simd>(&self, s: S, memory: Memory<'_>, task: usize, scratch: *mut f32) {
        let groups = self.grid.groups.len();
        let part = self.grid.part(task / groups);
        let group = &self.grid.groups[task % groups];
        let input = self.shape.input();
        let output = self.shape.output();
        let window = self.shape.window();
        let k = window.area() * input.c;
        // SAFETY: the contract of the kernel; strips include their zero padding, so every run lies inside.
        unsafe {
            let x = memory.at(&self.x);
            let y = memory.at(&self.y).add(part.pixels.start * self.y.ld);
            let packed = memory.at(&self.packed);
            if is_pointwise(&self.shape) {
                let x = x.add(part.pixels.start * self.x.ld);
                for panel in group {
                    Rows {
                        n: part.pixels.len(),
                        x,
                        pitch: self.x.ld,
                        runs: &self.runs,
                        w: packed.add(panel.start * k),
                        width: panel.width,
                        y: y.add(panel.start),
                        ldy: self.y.ld,
                        accumulate: false,
                    }
                    .compute(s);
                }
            } else {
                let strip = self.strip(&part);
                let image = x.add(part.image * input.h * input.w * self.x.ld);
                strip.fill(image, input.h, input.w, self.x.ld, scratch);
                for row in 0..part.rows.len() {
                    for panel in group {
                        Rows {
                            n: output.w,
                            x: scratch.add(row * window.stride[0] * strip.row_len()),
                            pitch: window.stride[1] * input.c,
                            runs: &self.runs,
                            w: packed.add(panel.start * k),
                            width: panel.width,
                            y: y.add(row * output.w * self.y.ld + panel.start),
                            ldy: self.y.ld,
                            accumulate: false,
                        }
                        .compute(s);
                    }
                }
            }
            let (c0, c) = extent(group);
            let range = [part.pixels.start, part.pixels.len()];
            let with_moments = self.epilogue.moments.is_some();
            if with_moments && self.epilogue.bias.is_some() {
                let bias_only = Epilogue { bias: self.epilogue.bias, ..Epilogue::default() };
                finish(s, memory, &bias_only, &self.y, range, [c0, c]);
            }
            if let Some(to) = &self.epilogue.moments {
                let mean = memory.at(to).add(2 * (task / groups) * to.ld + c0);
                moments::part(s, y.add(c0), self.y.ld, range[1], c, mean, mean.add(to.ld));
            }
            let bias = if with_moments { None } else { self.epilogue.bias };
            finish(s, memory, &Epilogue { bias, ..self.epilogue }, &self.y, range, [c0, c]);
        }
    }
}
