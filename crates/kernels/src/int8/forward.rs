//! [`Forward`]: a convolution of codes, and [`Epilogue`], the residual sum that follows it.

use super::constants::Constants;
use super::conv::{QuantizedConv, QuantizedOutput};
use super::dot::{Dot, WithDot};
use super::offsets::Groups;
use super::strip::fill;
use super::tile::{CodeRows, GROUP, To};
use super::{CODES, Int8Isa, LANES};
use crate::conv::grid::{Grid, Part, is_pointwise};
use crate::conv::strip::Strip;
use crate::memory::Memory;
use crate::panels::{Panel, extent};
use crate::program::Kernel;
use crate::simd::Simd;
use crate::view::Operand;
use crate::{ConvShape, KernelError, View};

/// `y = conv(x)`.
pub(crate) struct Forward {
    isa: Int8Isa,
    shape: ConvShape,
    zero_point: u8,
    grid: Grid,
    /// Bytes from the first input of an output pixel to every group.
    offsets: Vec<u32>,
    places: Constants,
    x: View,
    constants: View,
    epilogue: Epilogue,
}

/// The output of a convolution of codes and what follows its sums.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Epilogue {
    pub(crate) y: View,
    pub(crate) output: QuantizedOutput,
}

impl Epilogue {
    pub(crate) fn operands(&self) -> Vec<Operand> {
        match self.output {
            QuantizedOutput::Codes { residual: Some((residual, _)), .. } => {
                vec![residual.read(), self.y.write()]
            }
            QuantizedOutput::Codes { residual: None, .. } | QuantizedOutput::Values => vec![self.y.write()],
        }
    }

    /// Where channels from `channel` on of pixel `pixel` go.
    ///
    /// # Safety
    /// The view was checked, and `constants` has a table at `places`.
    #[inline(always)]
    pub(crate) unsafe fn to(&self, memory: Memory<'_>, [pixel, channel]: [usize; 2], table: *const u8) -> To {
        // SAFETY: the caller's promise.
        unsafe {
            let y = memory.at(&self.y).add(pixel * self.y.ld);
            match self.output {
                QuantizedOutput::Codes { table: with_table, .. } => {
                    let table = if with_table { table } else { std::ptr::null() };
                    To::Codes { y: y.cast::<u8>().add(channel), pitch: self.y.ld * CODES, table }
                }
                QuantizedOutput::Values => To::Values { y: y.add(channel), pitch: self.y.ld },
            }
        }
    }

    /// Adds the residual to `pixels` pixels from `first` on, in the channels `from .. from + count`.
    ///
    /// # Safety
    /// The views were checked and hold these pixels and channels.
    #[inline(always)]
    pub(crate) unsafe fn finish<D: Dot>(
        &self,
        d: D,
        memory: Memory<'_>,
        [first, pixels]: [usize; 2],
        [from, count]: [usize; 2],
    ) {
        let QuantizedOutput::Codes { residual: Some((residual, factors)), .. } = self.output else { return };
        for pixel in first..first + pixels {
            // SAFETY: the caller's promise.
            unsafe {
                let y = memory.at(&self.y).add(pixel * self.y.ld).cast::<u8>();
                let r = memory.at(&residual).add(pixel * residual.ld).cast::<u8>();
                let mut c = from;
                while c < from + count {
                    d.blend(y.add(c), y.add(c), r.add(c), factors);
                    c += LANES;
                }
            }
        }
    }
}

/// The inputs of a part of a convolution. The pixels of a pointwise convolution are one row.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Source {
    /// Position of the inputs in the image.
    pub(crate) strip: Strip,
    /// Index of the first pixel of the image in the batch.
    pub(crate) first: usize,
    /// Height and width of the image.
    pub(crate) size: [usize; 2],
    /// Output rows and output pixels per row.
    pub(crate) output: [usize; 2],
}

impl Source {
    /// The inputs of `part`.
    pub(crate) fn new(shape: &ConvShape, part: &Part) -> Self {
        let channels = shape.input().c;
        let pixels = part.pixels.len();
        if is_pointwise(shape) {
            let strip = Strip { top: 0, rows: 1, left: 0, columns: pixels, channels };
            return Self { strip, first: part.pixels.start, size: [1, pixels], output: [1, pixels] };
        }
        let window = shape.window();
        let strip = Strip {
            top: (part.rows.start * window.stride[0]) as isize - window.padding[0] as isize,
            rows: (part.rows.len() - 1) * window.stride[0] + window.kernel[0],
            left: -(window.padding[1] as isize),
            columns: (shape.output().w - 1) * window.stride[1] + window.kernel[1],
            channels,
        };
        let size = [shape.input().h, shape.input().w];
        Self {
            strip,
            first: part.image * size[0] * size[1],
            size,
            output: [part.rows.len(), shape.output().w],
        }
    }
}

impl Forward {
    pub(crate) fn new(
        conv: &QuantizedConv,
        groups: &Groups,
        [x, constants, y]: [View; 3],
        output: QuantizedOutput,
    ) -> Result<Self, KernelError> {
        let QuantizedConv { isa, shape, zero_point, ref grid, .. } = *conv;
        let bytes = isa.input_bytes();
        let row = if is_pointwise(&shape) || grid.parts() == 0 {
            0
        } else {
            Source::new(&shape, &grid.part(0)).strip.row_len() * bytes
        };
        Ok(Self {
            isa,
            shape,
            zero_point,
            grid: grid.clone(),
            offsets: groups.offsets(&shape, row, bytes)?,
            places: conv.constants(),
            x,
            constants,
            epilogue: Epilogue { y, output },
        })
    }

    /// Whether tiles read the input in place.
    fn is_direct(&self) -> bool {
        is_pointwise(&self.shape) && self.isa.input_bytes() == 1
    }

    /// Computes one part for one group of panels.
    ///
    /// # Safety
    /// As [`Kernel::run`].
    #[inline(always)]
    unsafe fn part<D: Dot>(&self, d: D, memory: Memory<'_>, part: &Part, group: &[Panel], scratch: *mut u8) {
        let stride = self.shape.window().stride;
        let channels = self.shape.input().c;
        let Source { strip, first, size: [h, w], output: [rows, columns] } = Source::new(&self.shape, part);
        let ld = self.x.ld * CODES;
        // SAFETY: the contract of the kernel; strips include their padding, so every group lies inside.
        unsafe {
            let image = memory.at(&self.x).cast::<u8>().add(first * ld);
            if self.is_direct() {
                self.row(d, memory, [part.pixels.start, columns], image, ld, group);
            } else {
                fill(D::BYTES, &strip, image, [h, w, ld], self.zero_point, scratch);
                for row in 0..rows {
                    let first = part.pixels.start + row * columns;
                    let x = scratch.add(row * stride[0] * strip.row_len() * D::BYTES);
                    let pitch = stride[1] * channels * D::BYTES;
                    self.row(d, memory, [first, columns], x, pitch, group);
                }
            }
            let (c0, c) = extent(group);
            self.epilogue.finish(d, memory, [part.pixels.start, part.pixels.len()], [c0, c]);
        }
    }

    /// Computes `pixels` output pixels from `first` on for all panels of a group.
    #[inline(always)]
    unsafe fn row<D: Dot>(
        &self,
        d: D,
        memory: Memory<'_>,
        [first, pixels]: [usize; 2],
        x: *const u8,
        pitch: usize,
        group: &[Panel],
    ) {
        // SAFETY: as `part`.
        unsafe {
            let constants = memory.at(&self.constants).cast_const();
            for panel in group {
                let table = constants.add(self.places.table()).cast();
                CodeRows {
                    n: pixels,
                    x,
                    pitch,
                    offsets: &self.offsets,
                    w: constants.cast::<u8>().add(panel.start / LANES * GROUP * self.offsets.len()),
                    width: panel.width,
                    sums: constants.add(self.places.sums() + panel.start).cast(),
                    scale: constants.add(self.places.scale() + panel.start),
                    bias: constants.add(self.places.bias() + panel.start),
                    to: self.epilogue.to(memory, [first, panel.start], table),
                }
                .compute(d);
            }
        }
    }
}

struct Call<'a> {
    forward: &'a Forward,
    memory: Memory<'a>,
    task: usize,
    scratch: *mut u8,
}

impl WithDot for Call<'_> {
    #[inline(always)]
    fn with<D: Dot>(self, d: D) {
        let Self { forward, memory, task, scratch } = self;
        let groups = forward.grid.groups.len();
        let part = forward.grid.part(task / groups);
        // SAFETY: only `Kernel::run` creates it, and its caller makes the same promise.
        unsafe { forward.part(d, memory, &part, &forward.grid.groups[task % groups], scratch) }
    }
}

// SAFETY: a task writes the pixels of its part and the channels of its group.
unsafe impl Kernel for Forward {
    fn operands(&self) -> Vec<Operand> {
        let mut operands = vec![self.x.read(), self.constants.read()];
        operands.extend(self.epilogue.operands());
        operands
    }

    fn tasks(&self) -> usize {
        self.grid.tasks()
    }

    fn scratch_len(&self) -> usize {
        if self.is_direct() {
            return 0;
        }
        // No part has more rows or pixels than the first part.
        let channels = Source::new(&self.shape, &self.grid.part(0)).strip.len();
        (channels * self.isa.input_bytes()).div_ceil(CODES)
    }

    #[inline(always)]
    unsafe fn run<S: Simd>(&self, _: S, memory: Memory<'_>, task: usize, scratch: *mut f32) {
        self.isa.run(Call { forward: self, memory, task, scratch: scratch.cast() });
    }
}
