//! [`Pack`]: transforms weights into 36 planes, `U = G g G^T`, in the order in which products read them.
//!
//! A plane is a sequence of panels of output channels, each `[in][panel]`; see [`panel`]. For the gradient of
//! the input, the kernels are rotated by 180 degrees, and inputs and outputs are swapped.

use super::blocks::{PLANES, panel};
use super::points::taps;
use super::{check_shape, contiguous, packed_pitch};
use crate::memory::Memory;
use crate::panels::Panel;
use crate::program::Kernel;
use crate::simd::{Simd, WithSimd};
use crate::view::Operand;
use crate::{ConvShape, KernelError, SEGMENT, View};

/// Number of values of one tap in a transposed block.
const SQUARE: usize = SEGMENT * SEGMENT;

/// Layout of the weights to pack, and whether to transpose them.
pub(crate) enum Source {
    /// `[3][3][in][out]`.
    Rows,
    /// `[3][3][in][out]`; packs the kernels for the gradient of the input.
    Transposed,
    /// The layout of direct convolutions: panels of `[3][3][in]`.
    Panels(Vec<Panel>),
}

/// Packs weights for [`Forward`](super::Forward).
pub(crate) struct Pack {
    /// Input and output channels of the weights.
    channels: [usize; 2],
    weights: View,
    packed: View,
    pitch: usize,
    source: Source,
}

impl Pack {
    /// `shape` is the forward convolution; `packed` holds [`packed_len`](super::packed_len) values.
    ///
    /// # Errors
    /// [`KernelError::Operand`] if a view is too small or Winograd's algorithm does not apply to the shape.
    pub(crate) fn new(
        label: &str,
        shape: &ConvShape,
        weights: View,
        packed: View,
        source: Source,
    ) -> Result<Self, KernelError> {
        check_shape(label, shape)?;
        let pitch = packed_pitch(shape);
        Ok(Self {
            channels: [shape.input().c, shape.output().c],
            weights: contiguous(label, "weights", &weights, shape.weights_len())?,
            packed: contiguous(label, "packed weights", &packed, PLANES * pitch)?,
            pitch,
            source,
        })
    }

    /// Input and output channels of the convolution that uses the packed weights.
    fn packed_channels(&self) -> [usize; 2] {
        let [inputs, outputs] = self.channels;
        if self.turned() { [outputs, inputs] } else { [inputs, outputs] }
    }

    fn turned(&self) -> bool {
        matches!(self.source, Source::Transposed)
    }
}

// SAFETY: a task reads any of the weights and writes rows `16 i ..`, with `i` its number, of the panels of
// every plane; these lie in the packed view, whose length `new` checked.
unsafe impl Kernel for Pack {
    fn operands(&self) -> Vec<Operand> {
        vec![self.weights.read(), self.packed.write()]
    }

    fn tasks(&self) -> usize {
        self.packed_channels()[0] / SEGMENT
    }

    fn scratch_len(&self) -> usize {
        if self.turned() { 9 * SQUARE } else { 0 }
    }

    #[inline(always)]
    unsafe fn run<S: Simd>(&self, s: S, memory: Memory<'_>, task: usize, scratch: *mut f32) {
        // SAFETY: both views are operands.
        let (weights, packed) = unsafe { (memory.at(&self.weights), memory.at(&self.packed)) };
        s.vectorize(Rows { pack: self, weights, packed, row: task * SEGMENT, scratch });
    }
}

/// A segment of packed rows.
struct Rows<'a> {
    pack: &'a Pack,
    weights: *const f32,
    packed: *mut f32,
    row: usize,
    scratch: *mut f32,
}

impl WithSimd for Rows<'_> {
    type Output = ();

    #[inline(always)]
    fn with<S: Simd>(self, s: S) {
        let [inputs, outputs] = self.pack.packed_channels();
        let mut start = 0;
        while start < outputs {
            let width = panel::<S>(outputs - start);
            let mut channel = 0;
            while channel < width {
                // SAFETY: rows `row ..` and channels `start + channel ..` are whole segments of the weights,
                // and of the panel `[inputs][width]` that starts at `start * inputs`.
                unsafe {
                    let to = self.packed.add(start * inputs + self.row * width + channel);
                    match &self.pack.source {
                        Source::Rows => {
                            let from = self.weights.add(self.row * outputs + start + channel);
                            self.segment(s, from, inputs * outputs, outputs, to, width);
                        }
                        Source::Transposed => {
                            self.turn(start + channel);
                            self.segment(s, self.scratch, SQUARE, SEGMENT, to, width);
                        }
                        Source::Panels(panels) => {
                            let (from, ld) = self.in_panels(panels, start + channel);
                            self.segment(s, from, inputs * ld, ld, to, width);
                        }
                    }
                }
                channel += SEGMENT;
            }
            start += width;
        }
    }
}

impl Rows<'_> {
    /// Address of output `channel` in the first tap of the first row, and the distance between rows there.
    ///
    /// # Safety
    /// The output `channel` exists.
    #[inline(always)]
    unsafe fn in_panels(&self, panels: &[Panel], channel: usize) -> (*const f32, usize) {
        let panel = panels[panels.partition_point(|p| p.start + p.width <= channel)];
        let before = panel.start * 9 * self.pack.channels[0];
        // SAFETY: panels lie one after another and together are all the weights.
        let from = unsafe { self.weights.add(before + self.row * panel.width + channel - panel.start) };
        (from, panel.width)
    }

    /// Transforms 16x16 kernels. Rows of `from` are `ld` apart and its taps `tap` apart; rows of `to` are
    /// `width` apart.
    ///
    /// # Safety
    /// All values that the arguments describe exist.
    #[inline(always)]
    unsafe fn segment<S: Simd>(
        &self,
        s: S,
        from: *const f32,
        tap: usize,
        ld: usize,
        to: *mut f32,
        width: usize,
    ) {
        for row in 0..SEGMENT {
            let mut lane = 0;
            while lane < SEGMENT {
                // SAFETY: guaranteed by the caller.
                unsafe {
                    let from = from.add(row * ld + lane);
                    let to = to.add(row * width + lane);
                    let mut half = [[s.splat(0.0); 3]; 6];
                    for kx in 0..3 {
                        let g0 = kx * tap;
                        let g1 = (3 + kx) * tap;
                        let g2 = (6 + kx) * tap;
                        let g = [s.load(from.add(g0)), s.load(from.add(g1)), s.load(from.add(g2))];
                        let column = taps(s, g);
                        for i in 0..6 {
                            half[i][kx] = column[i];
                        }
                    }
                    for i in 0..6 {
                        let row = taps(s, half[i]);
                        for j in 0..6 {
                            s.store(to.add((i * 6 + j) * self.pack.pitch), row[j]);
                        }
                    }
                }
                lane += S::LANES;
            }
        }
    }

    /// Copies the rotated kernels of 16 outputs from `self.row` and 16 inputs from `input` to scratch, as
    /// `[tap][out][in]`.
    ///
    /// # Safety
    /// Scratch has room for them.
    #[inline(always)]
    unsafe fn turn(&self, input: usize) {
        let [inputs, outputs] = self.pack.channels;
        for tap in 0..9 {
            for i in 0..SEGMENT {
                // SAFETY: both segments lie in the weights.
                unsafe {
                    let from = self.weights.add(((8 - tap) * inputs + input + i) * outputs + self.row);
                    let to = self.scratch.add(tap * SQUARE + i);
                    for o in 0..SEGMENT {
                        *to.add(o * SEGMENT) = *from.add(o);
                    }
                }
            }
        }
    }
}
