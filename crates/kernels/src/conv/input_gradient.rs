//! [`InputGradient`] of a direct convolution.
//!
//! It gathers: input pixel `i` sums `dy[o] . w[tap]` over the outputs `o = (i + padding - tap) / stride` that
//! read it. With stride `s`, the pixels fall into `s * s` phases. All pixels of a phase have the same taps,
//! so a phase is a dense convolution with fewer taps that writes every `s`-th pixel.

use super::grid::{Grid, Part, is_pointwise};
use super::live::Live;
use super::strip::Strip;
use super::tile::{Rows, Run};
use crate::memory::Memory;
use crate::program::Kernel;
use crate::simd::Simd;
use crate::view::{Operand, View};
use crate::{ConvShape, Isa, KernelError, Nhwc, Window};

/// `dx = conv^T(dy)` or `dx += conv^T(dy)`.
pub(crate) struct InputGradient {
    shape: ConvShape,
    grid: Grid,
    /// Runs of each phase, ordered `[row][column]`.
    phases: Vec<Vec<Run>>,
    dy: View,
    packed: View,
    dx: View,
    accumulate: bool,
}

/// Outputs that read inputs `start .. end` along one axis: the first output and their number.
fn met(window: &Window, axis: usize, start: usize, end: usize) -> (isize, usize) {
    let k = window.kernel[axis] as isize;
    let s = window.stride[axis] as isize;
    let p = window.padding[axis] as isize;
    let first = (start as isize + p - (k - 1)).div_euclid(s);
    let last = (end as isize - 1 + p).div_euclid(s);
    (first, (last - first + 1).max(0) as usize)
}

/// Taps through which outputs read input `pixel` along one axis, with these outputs in ascending order.
fn taps(window: &Window, axis: usize, pixel: usize) -> impl Iterator<Item = (usize, isize)> {
    let k = window.kernel[axis];
    let s = window.stride[axis];
    let place = pixel + window.padding[axis];
    (0..k).rev().filter_map(move |tap| {
        let offset = place as isize - tap as isize;
        (offset.rem_euclid(s as isize) == 0).then(|| (tap, offset.div_euclid(s as isize)))
    })
}

impl InputGradient {
    /// `packed` are panels of `[flipped tap][out]`. Output channels outside `live` have no gradient.
    ///
    /// # Errors
    /// [`KernelError::TooLarge`] if sizes overflow.
    pub(crate) fn new(
        isa: Isa,
        shape: ConvShape,
        live: &Live,
        dy: View,
        packed: View,
        dx: View,
        accumulate: bool,
    ) -> Result<Self, KernelError> {
        let input = shape.input();
        let window = shape.window();
        // The grid of a pointwise or dense convolution that computes `dx` with the same amount of work.
        let widened = Nhwc { c: shape.output().c, ..input };
        let like = if is_pointwise(&shape) { window } else { Window::square(3, 1, 1) };
        let grid = Grid::new(isa, &ConvShape::new(widened, input.c, like)?);
        let mut gradient = Self { shape, grid, phases: Vec::new(), dy, packed, dx, accumulate };
        gradient.phases = if is_pointwise(&shape) { vec![live.runs(0, 0, 1)] } else { gradient.phases(live) };
        Ok(gradient)
    }

    fn strip(&self, part: &Part) -> Strip {
        let input = self.shape.input();
        let window = self.shape.window();
        // Starts at a multiple of the stride, so that a phase has the same runs in every part.
        let from = part.rows.start / window.stride[0] * window.stride[0];
        let (top, rows) = met(&window, 0, from, part.rows.end.max(from + window.stride[0]));
        let (left, columns) = met(&window, 1, 0, input.w.max(window.stride[1]));
        Strip { top, rows, left, columns, channels: self.shape.output().c }
    }

    /// Number of phases along each axis for which the image has a pixel.
    fn phases_met(&self) -> [usize; 2] {
        let (input, [sy, sx]) = (self.shape.input(), self.shape.window().stride);
        [sy.min(input.h), sx.min(input.w)]
    }

    fn phases(&self, live: &Live) -> Vec<Vec<Run>> {
        let window = self.shape.window();
        let c = self.shape.output().c;
        let strip = self.strip(&self.grid.part(0));
        let flipped = |ky: usize, kx: usize| window.area() - 1 - (ky * window.kernel[1] + kx);
        let mut phases = Vec::new();
        let [rows, columns] = self.phases_met();
        for py in 0..rows {
            for px in 0..columns {
                // With stride 1, a row of taps is contiguous in the strip and in the panel.
                let merge = if window.stride[1] == 1 { window.kernel[1] } else { 1 };
                let mut runs = Vec::new();
                for (ky, oy) in taps(&window, 0, py) {
                    for (kx, ox) in taps(&window, 1, px).step_by(merge) {
                        let row = (oy - strip.top) as usize;
                        let column = (ox - strip.left) as usize;
                        let x = row * strip.row_len() + column * c;
                        runs.extend(live.runs(x, flipped(ky, kx) * c, merge));
                    }
                }
                phases.push(runs);
            }
        }
        phases
    }
}

// SAFETY: a task writes the pixels of its part and the channels of its group.
unsafe impl Kernel for InputGradient {
    fn operands(&self) -> Vec<Operand> {
        vec![self.dy.read(), self.packed.read(), self.dx.store(self.accumulate)]
    }

    fn tasks(&self) -> usize {
        self.grid.tasks()
    }

    fn scratch_len(&self) -> usize {
        if is_pointwise(&self.shape) {
            return 0;
        }
        // The first part has the most rows; strips of other parts may start up to one stride before their
        // rows.
        let first = self.grid.part(0);
        let window = self.shape.window();
        let [sy, _] = window.stride;
        let (_, rows) = met(&window, 0, 0, (first.rows.len() + sy - 1).max(sy));
        Strip { rows, ..self.strip(&first) }.len()
    }

    #[inline(always)]
    unsafe fn run<S: Simd>(&self, s: S, memory: Memory<'_>, task: usize, scratch: *mut f32) {
        let groups = self.grid.groups.len();
        let part = self.grid.part(task / groups);
        let group = &self.grid.groups[task % groups];
        let input = self.shape.input();
        let output = self.shape.output();
        let window = self.shape.window();
        let k = window.area() * output.c;
        let ld = self.dx.ld;
        let accumulate = self.accumulate;
        // SAFETY: the contract of the kernel; the strip holds every output that reads inputs of the part.
        unsafe {
            let dy = memory.at(&self.dy);
            let packed = memory.at(&self.packed);
            let dx = memory.at(&self.dx).add(part.pixels.start * ld);
            if is_pointwise(&self.shape) {
                let dy = dy.add(part.pixels.start * self.dy.ld);
                for panel in group {
                    let w = packed.add(panel.start * k);
                    let y = dx.add(panel.start);
                    let runs = &self.phases[0];
                    let n = part.pixels.len();
                    let pitch = self.dy.ld;
                    let width = panel.width;
                    Rows { n, x: dy, pitch, runs, w, width, y, ldy: ld, accumulate }.compute(s);
                }
                return;
            }
            let strip = self.strip(&part);
            let image = dy.add(part.image * output.h * output.w * self.dy.ld);
            strip.fill(image, output.h, output.w, self.dy.ld, scratch);
            let ([sy, sx], [_, columns]) = (window.stride, self.phases_met());
            for row in part.rows.clone() {
                // The strip advances by one row of outputs for every `sy` rows of inputs.
                let x = scratch.add((row / sy - part.rows.start / sy) * strip.row_len());
                let dx = dx.add((row - part.rows.start) * input.w * ld);
                for panel in group {
                    for px in 0..columns {
                        let phase = &self.phases[row % sy * columns + px];
                        Rows {
                            n: (input.w - px).div_ceil(sx),
                            x,
                            pitch: output.c,
                            runs: phase,
                            w: packed.add(panel.start * k),
                            width: panel.width,
                            y: dx.add(px * ld + panel.start),
                            ldy: sx * ld,
                            accumulate,
                        }
                        .compute(s);
                    }
                }
            }
        }
    }
}
