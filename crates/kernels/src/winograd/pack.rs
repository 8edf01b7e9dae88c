//! Weights to 36 planes, `U = G g G^T`, in the order in which products read them.
//!
//! A plane holds panels of output channels one after another, each `[in][panel]`, see [`panel`].
//! For the input's gradient the kernels are turned by 180 degrees and inputs and outputs change places.

use super::blocks::{PLANES, panel};
use super::points::taps;
use super::{check_shape, contiguous, packed_pitch};
use crate::conv::Panel;
use crate::memory::{Memory, Operand};
use crate::program::Kernel;
use crate::simd::{Simd, WithSimd};
use crate::{ConvShape, KernelError, SEGMENT, View};

/// Values of a tap in a transposed block.
const SQUARE: usize = SEGMENT * SEGMENT;

/// How the weights lie that are packed.
pub(crate) enum Source {
    /// `[3][3][in][out]`.
    Rows,
    /// The same; packed are the kernels of the input's gradient.
    Transposed,
    /// As direct convolutions read them: panels of `[3][3][in]`.
    Panels(Vec<Panel>),
}

/// Packs weights.
pub(crate) struct Pack {
    /// Input and output channels of the weights.
    channels: [usize; 2],
    weights: View,
    packed: View,
    pitch: usize,
    source: Source,
}

impl Pack {
    /// `shape` is that of the forward convolution; `packed` holds [`packed_len`](super::packed_len) values.
    ///
    /// # Errors
    /// [`KernelError::Operand`] if a view is too small or the shape is not for this algorithm.
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

// SAFETY: task `i` reads all weights at most and writes rows `16 i ..` of the panels of every plane, which lie in
// the packed view, whose length `new` checked.
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
                // SAFETY: rows `row ..` and channels `start + channel ..` are whole segments of the weights, and of
                // the panel `[inputs][width]` that starts at `start * inputs`.
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
    /// Where the first tap of the first row has output `channel`, and the pitch of rows there.
    ///
    /// # Safety
    /// There is such an output.
    #[inline(always)]
    unsafe fn in_panels(&self, panels: &[Panel], channel: usize) -> (*const f32, usize) {
        let panel = panels[panels.partition_point(|p| p.start + p.width <= channel)];
        let before = panel.start * 9 * self.pack.channels[0];
        // SAFETY: panels lie one after another and together are the weights.
        let from = unsafe { self.weights.add(before + self.row * panel.width + channel - panel.start) };
        (from, panel.width)
    }

    /// Transforms 16x16 kernels: rows of `from` are `ld` apart, its taps `tap`, rows of `to` are `width` apart.
    ///
    /// # Safety
    /// All values exist.
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
                // SAFETY: the caller's promise.
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

    /// Copies the kernels of 16 outputs from `self.row` and 16 inputs from `input` to scratch: turned, `[tap][out][in]`.
    ///
    /// # Safety
    /// Scratch holds them.
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
