//! [`WeightGradient`] of a direct convolution.
//!
//! Each part of the pixels has its own sums, which [`Reduce`] adds in order: results do not depend on
//! threads, and no chain of additions is longer than a part.

use super::grid::is_pointwise;
use super::outer::Outer;
use super::strip::Strip;
use crate::memory::Memory;
use crate::panels::{Panel, groups, panels};
use crate::program::Kernel;
use crate::simd::Simd;
use crate::view::{Operand, View};
use crate::{ConvShape, Isa};

/// Number of values in a strip of inputs, which is read once per panel and stays in the second-level cache.
const STRIP: usize = 32 << 10;
/// Useful number of tasks (parts times groups).
const TASKS: usize = 8;
/// Number of weights above which groups of channels are better than parts, because the sums of parts need
/// memory.
const MANY: usize = 64 << 10;

/// `partials[part] = sum over the pixels of the part of x dy`.
pub(crate) struct WeightGradient {
    shape: ConvShape,
    plan: Plan,
    x: View,
    dy: View,
    partials: View,
}

/// How the work is divided into strips, parts and groups.
#[derive(Debug, Clone)]
struct Plan {
    /// Total number of strips; a strip is some rows of one image, or some pixels of the batch.
    strips: usize,
    per_image: usize,
    step: usize,
    size: usize,
    parts: usize,
    groups: Vec<Vec<Panel>>,
}

impl Plan {
    fn new(isa: Isa, shape: &ConvShape) -> Self {
        let input = shape.input();
        let output = shape.output();
        let window = shape.window();
        let pointwise = is_pointwise(shape);
        let (images, size) = if pointwise { (1, output.pixels()) } else { (output.n, output.h) };
        let per_row =
            if pointwise { input.c } else { (input.w + 2 * window.padding[1]) * input.c * window.stride[0] };
        let smallest = 64usize.div_ceil(if pointwise { 1 } else { output.w });
        let step = (STRIP / per_row.max(1)).max(smallest).clamp(1, size.max(1));
        let per_image = size.div_ceil(step);
        let step = size.div_ceil(per_image.max(1)).max(1);
        let per_image = size.div_ceil(step);
        let strips = images * per_image;
        let wide = if shape.weights_len() > MANY { output.c.div_ceil(64) } else { 1 };
        let groups = groups(&panels(isa.widest_panel(), output.c), wide);
        let parts = TASKS.div_ceil(groups.len()).clamp(1, strips.max(1));
        Self { strips, per_image, step, size, parts, groups }
    }
}

/// Number of parts whose sums a convolution of this shape stores.
pub(crate) fn parts(isa: Isa, shape: &ConvShape) -> usize {
    Plan::new(isa, shape).parts
}

impl WeightGradient {
    /// `partials` has the size of [`parts`] times `[tap][in][out]`.
    pub(crate) fn new(isa: Isa, shape: ConvShape, x: View, dy: View, partials: View) -> Self {
        Self { shape, plan: Plan::new(isa, &shape), x, dy, partials }
    }

    fn strip(&self, rows: usize, top: usize) -> Strip {
        let output = self.shape.output();
        let window = self.shape.window();
        Strip {
            top: (top * window.stride[0]) as isize - window.padding[0] as isize,
            rows: (rows.max(1) - 1) * window.stride[0] + window.kernel[0],
            left: -(window.padding[1] as isize),
            columns: (output.w - 1) * window.stride[1] + window.kernel[1],
            channels: self.shape.input().c,
        }
    }
}

// SAFETY: a task writes the sums of its own part in the columns of its own group.
unsafe impl Kernel for WeightGradient {
    fn operands(&self) -> Vec<Operand> {
        vec![self.x.read(), self.dy.read(), self.partials.write()]
    }

    fn tasks(&self) -> usize {
        self.plan.parts * self.plan.groups.len()
    }

    fn scratch_len(&self) -> usize {
        if is_pointwise(&self.shape) { 0 } else { self.strip(self.plan.step, 0).len() }
    }

    #[inline(always)]
    unsafe fn run<S: Simd>(&self, s: S, memory: Memory<'_>, task: usize, scratch: *mut f32) {
        let plan = &self.plan;
        let part = task / plan.groups.len();
        let group = &plan.groups[task % plan.groups.len()];
        let input = self.shape.input();
        let output = self.shape.output();
        let window = self.shape.window();
        let ldx = self.x.ld;
        let ldy = self.dy.ld;
        let co = output.c;
        let first = plan.strips * part / plan.parts;
        let last = plan.strips * (part + 1) / plan.parts;
        // SAFETY: the contract of the kernel; strips include their zero padding, so every tap lies inside.
        unsafe {
            let dw = memory.at(&self.partials).add(part * self.shape.weights_len());
            for strip_index in first..last {
                let image = strip_index / plan.per_image;
                let start = strip_index % plan.per_image * plan.step;
                let size = plan.step.min(plan.size - start);
                let mut block = Outer {
                    rows: 1,
                    n: size,
                    x: memory.at(&self.x).add(start * ldx),
                    x_pitch: [ldx, 0],
                    m: input.c,
                    dy: memory.at(&self.dy).add(start * ldy),
                    dy_pitch: [ldy, 0],
                    width: 0,
                    dw,
                    ldw: co,
                    accumulate: strip_index > first,
                };
                let mut row_len = 0;
                if !is_pointwise(&self.shape) {
                    let strip = self.strip(size, start);
                    let x = memory.at(&self.x).add(image * input.h * input.w * ldx);
                    strip.fill(x, input.h, input.w, ldx, scratch);
                    row_len = strip.row_len();
                    (block.rows, block.n, block.m) = (size, output.w, window.kernel[1] * input.c);
                    block.x = scratch;
                    block.x_pitch = [window.stride[1] * input.c, window.stride[0] * row_len];
                    block.dy = memory.at(&self.dy).add((image * output.h + start) * output.w * ldy);
                    block.dy_pitch = [ldy, output.w * ldy];
                }
                for panel in group {
                    for ky in 0..window.kernel[0] {
                        Outer {
                            x: block.x.add(ky * row_len),
                            dy: block.dy.add(panel.start),
                            width: panel.width,
                            dw: dw.add(ky * block.m * co + panel.start),
                            ..block
                        }
                        .compute(s);
                    }
                }
            }
        }
    }
}

/// Adds the sum of the partials, in order, to `dw`.
pub(crate) struct Reduce {
    pub(crate) parts: usize,
    pub(crate) partials: View,
    pub(crate) dw: View,
}

/// Number of values per task.
const CHUNK: usize = 8 << 10;

// SAFETY: a task writes its own chunk.
unsafe impl Kernel for Reduce {
    fn operands(&self) -> Vec<Operand> {
        vec![self.partials.read(), self.dw.update()]
    }

    fn tasks(&self) -> usize {
        self.dw.channels.div_ceil(CHUNK)
    }

    #[inline(always)]
    unsafe fn run<S: Simd>(&self, s: S, memory: Memory<'_>, task: usize, _: *mut f32) {
        let len = self.dw.channels;
        let mut i = task * CHUNK;
        let end = len.min((task + 1) * CHUNK);
        // SAFETY: the contract of the kernel; lengths are whole segments.
        unsafe {
            let partials = memory.at(&self.partials);
            let dw = memory.at(&self.dw);
            while i < end {
                let mut sum = s.load(partials.add(i));
                for part in 1..self.parts {
                    sum = s.add(sum, s.load(partials.add(part * len + i)));
                }
                s.store(dw.add(i), s.add(s.load(dw.add(i)), sum));
                i += S::LANES;
            }
        }
    }
}
