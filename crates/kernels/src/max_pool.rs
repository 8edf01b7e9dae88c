//! [`MaxPool`] and [`MaxPoolGradient`]: the maximum over a sliding window.
//!
//! Padding counts as minus infinity, not as zero: SiLU can be negative, and a padded zero would win at the
//! border. As in PyTorch, the first of several equal values in reading order is the maximum, and NaN is
//! greater than any value; of several NaNs the last one is the maximum. The backward pass gathers: each input
//! pixel reads the outputs whose windows cover it, so no two tasks add to the same value.

use crate::chunk::Chunks;
use crate::fit::{equal, fits, segments};
use crate::memory::Memory;
use crate::program::Kernel;
use crate::simd::Simd;
use crate::view::Operand;
use crate::{KernelError, PoolShape, SEGMENT, View};

/// `y` is the maximum of `x` under each window.
#[derive(Debug, Clone)]
pub struct MaxPool {
    /// Sizes.
    pub shape: PoolShape,
    /// Input.
    pub x: View,
    /// Output.
    pub y: View,
    /// For the backward pass: receives one byte per output value, the tap (row * kernel width + column) that
    /// held the maximum. A vector of [`MaxPool::argmax_len`] values.
    pub argmax: Option<View>,
}

impl MaxPool {
    /// Number of `f32` values that hold the bytes of the argmax.
    pub fn argmax_len(shape: &PoolShape) -> usize {
        shape.output().len().div_ceil(4).next_multiple_of(SEGMENT)
    }
}

/// Number of taps that a byte can number.
const MOST_TAPS: usize = 256;

/// The valid taps of one pixel in reading order: the pixel on the other side and the number of the tap.
pub(crate) struct Taps {
    pub(crate) len: usize,
    pub(crate) pixel: [usize; MOST_TAPS],
    tap: [f32; MOST_TAPS],
}

impl Taps {
    pub(crate) fn none() -> Self {
        Self { len: 0, pixel: [0; MOST_TAPS], tap: [0.0; MOST_TAPS] }
    }

    /// Finds the inputs of output pixel `index` if `FORWARD`, otherwise the outputs that read input pixel
    /// `index`.
    pub(crate) fn find<const FORWARD: bool>(&mut self, shape: &PoolShape, index: usize) {
        let input = shape.input();
        let output = shape.output();
        let window = shape.window();
        let (near, far) = if FORWARD { (output, input) } else { (input, output) };
        let column = index % near.w;
        let row = index / near.w % near.h;
        let image = index / near.w / near.h;
        let across = |axis: usize, at: usize, tap: usize, size: usize| {
            if FORWARD { window.input_of(axis, at, tap, size) } else { window.output_of(axis, at, tap, size) }
        };
        self.len = 0;
        for ky in 0..window.kernel[0] {
            let Some(far_row) = across(0, row, ky, far.h) else { continue };
            for kx in 0..window.kernel[1] {
                let Some(far_column) = across(1, column, kx, far.w) else { continue };
                self.pixel[self.len] = (image * far.h + far_row) * far.w + far_column;
                self.tap[self.len] = (ky * window.kernel[1] + kx) as f32;
                self.len += 1;
            }
        }
    }
}

fn check(label: &str, shape: &PoolShape, outer: [View; 2], argmax: Option<&View>) -> Result<(), KernelError> {
    let input = shape.input();
    let output = shape.output();
    segments(label, "channels of the input", input.c)?;
    // An empty image has windows without a maximum.
    equal(label, "height of the input", input.h, input.h.max(1))?;
    equal(label, "width of the input", input.w, input.w.max(1))?;
    fits!(label, "the input", outer[0], input.pixels(), input.c)?;
    fits!(label, "the output", outer[1], output.pixels(), output.c)?;
    argmax.map_or(Ok(()), |argmax| fits!(label, "the argmax", argmax, 1, MaxPool::argmax_len(shape)))
}

/// Tasks over `pixels` pixels. One pixel costs about `area / 4` element-wise passes.
fn chunks(shape: &PoolShape, pixels: usize) -> Chunks {
    Chunks::new(pixels, shape.input().c * shape.window().area().div_ceil(4))
}

// SAFETY: a task writes its own range of output pixels and their bytes.
unsafe impl Kernel for MaxPool {
    fn operands(&self) -> Vec<Operand> {
        let mut operands = vec![self.x.read(), self.y.write()];
        operands.extend(self.argmax.map(View::write));
        operands
    }

    fn check(&self, label: &str) -> Result<(), KernelError> {
        check(label, &self.shape, [self.x, self.y], self.argmax.as_ref())
    }

    fn tasks(&self) -> usize {
        chunks(&self.shape, self.y.pixels).count()
    }

    #[inline(always)]
    unsafe fn run<S: Simd>(&self, s: S, memory: Memory<'_>, task: usize, _scratch: *mut f32) {
        // SAFETY: the contract of this method.
        unsafe {
            match &self.argmax {
                Some(argmax) => self.chunk::<S, true>(s, memory, task, argmax),
                None => self.chunk::<S, false>(s, memory, task, &self.y),
            }
        }
    }
}

impl MaxPool {
    #[inline(always)]
    unsafe fn chunk<S: Simd, const ARGMAX: bool>(
        &self,
        s: S,
        memory: Memory<'_>,
        task: usize,
        argmax: &View,
    ) {
        let mut taps = Taps::none();
        let channels = self.y.channels;
        for pixel in chunks(&self.shape, self.y.pixels).range(task) {
            taps.find::<true>(&self.shape, pixel);
            // SAFETY: the taps are pixels of `x`; `check` verified that `y` has this pixel and the argmax its
            // bytes. There is at least one tap, because no window lies completely in the padding and the
            // image is not empty.
            unsafe {
                let x = memory.at(&self.x);
                let y = memory.at(&self.y).add(pixel * self.y.ld);
                let bytes = memory.at(argmax).cast::<u8>();
                let mut c = 0;
                while c < channels {
                    // Start from the first pixel, so that a window of only minus infinities has a valid tap.
                    let mut best = s.load(x.add(taps.pixel[0] * self.x.ld + c));
                    let mut tap = s.splat(taps.tap[0]);
                    for i in 1..taps.len {
                        let value = s.load(x.add(taps.pixel[i] * self.x.ld + c));
                        let better = s.exceeds(value, best);
                        best = s.select(better, value, best);
                        if ARGMAX {
                            tap = s.select(better, s.splat(taps.tap[i]), tap);
                        }
                    }
                    s.store(y.add(c), best);
                    if ARGMAX {
                        s.store_bytes(bytes.add(pixel * channels + c), tap);
                    }
                    c += S::LANES;
                }
            }
        }
    }
}

/// Passes `dy` to the pixels that were maxima. Each pixel sums its gradients in tap order; all other pixels
/// receive 0.
#[derive(Debug, Clone)]
pub struct MaxPoolGradient {
    /// Sizes.
    pub shape: PoolShape,
    /// Gradient of the output.
    pub dy: View,
    /// The argmax that [`MaxPool`] wrote.
    pub argmax: View,
    /// Receives the gradient of the input.
    pub dx: View,
    /// Whether to add to the values in `dx` instead of overwriting them.
    pub accumulate: bool,
}

// SAFETY: a task writes its own range of input pixels.
unsafe impl Kernel for MaxPoolGradient {
    fn operands(&self) -> Vec<Operand> {
        vec![self.dy.read(), self.argmax.read(), self.dx.store(self.accumulate)]
    }

    fn check(&self, label: &str) -> Result<(), KernelError> {
        check(label, &self.shape, [self.dx, self.dy], Some(&self.argmax))
    }

    fn tasks(&self) -> usize {
        chunks(&self.shape, self.dx.pixels).count()
    }

    #[inline(always)]
    unsafe fn run<S: Simd>(&self, s: S, memory: Memory<'_>, task: usize, _scratch: *mut f32) {
        let mut taps = Taps::none();
        let channels = self.dx.channels;
        let zero = s.splat(0.0);
        for pixel in chunks(&self.shape, self.dx.pixels).range(task) {
            taps.find::<false>(&self.shape, pixel);
            // SAFETY: the taps are pixels of `dy`; `check` verified that `dx` has this pixel and the argmax
            // the bytes of the taps.
            unsafe {
                let dy = memory.at(&self.dy);
                let bytes = memory.at(&self.argmax).cast::<u8>();
                let dx = memory.at(&self.dx).add(pixel * self.dx.ld);
                let mut c = 0;
                while c < channels {
                    let mut sum = zero;
                    for i in 0..taps.len {
                        let chosen = s.load_bytes(bytes.add(taps.pixel[i] * channels + c));
                        let here = s.equals(chosen, s.splat(taps.tap[i]));
                        let gradient = s.load(dy.add(taps.pixel[i] * self.dy.ld + c));
                        sum = s.add(sum, s.select(here, gradient, zero));
                    }
                    if self.accumulate {
                        sum = s.add(s.load(dx.add(c)), sum);
                    }
                    s.store(dx.add(c), sum);
                    c += S::LANES;
                }
            }
        }
    }
}
