//! [`WeightGradient`] of a depthwise convolution.
//!
//! Each part of the pixels has its own sums, which [`Reduce`](crate::conv::weight_gradient::Reduce) adds in
//! order.

use std::ops::Range;

use super::taps::Way;
use super::{Part, Parts};
use crate::ConvShape;
use crate::memory::Memory;
use crate::program::Kernel;
use crate::simd::Simd;
use crate::view::{Operand, View};

/// `partials[part] = sum over the pixels of the part of x dy`, as `[tap][channel]`.
pub(crate) struct WeightGradient {
    shape: ConvShape,
    parts: Parts,
    x: View,
    dy: View,
    partials: View,
}

/// Number of taps of a kernel row that are summed at once, so that a gradient is read once for all of them.
const AT_ONCE: usize = 4;

impl WeightGradient {
    pub(crate) fn new(shape: ConvShape, x: View, dy: View, partials: View) -> Self {
        Self { shape, parts: Self::parts(&shape), x, dy, partials }
    }

    /// The parts whose sums a convolution of this shape stores.
    pub(crate) fn parts(shape: &ConvShape) -> Parts {
        Parts::new(shape.output())
    }

    /// Outputs of a row whose tap `kx` is not in the padding.
    #[inline(always)]
    fn columns(&self, kx: usize) -> Range<usize> {
        let input = self.shape.input();
        let output = self.shape.output();
        let window = self.shape.window();
        let first = window.padding[1].saturating_sub(kx).div_ceil(window.stride[1]);
        let end = (input.w + window.padding[1]).saturating_sub(kx).div_ceil(window.stride[1]).min(output.w);
        first.min(end)..end
    }
}

// SAFETY: a task writes the sums of its own part.
unsafe impl Kernel for WeightGradient {
    fn operands(&self) -> Vec<Operand> {
        vec![self.x.read(), self.dy.read(), self.partials.write()]
    }

    fn tasks(&self) -> usize {
        self.parts.count()
    }

    #[inline(always)]
    unsafe fn run<S: Simd>(&self, s: S, memory: Memory<'_>, task: usize, _scratch: *mut f32) {
        let input = self.shape.input();
        let output = self.shape.output();
        let window = self.shape.window();
        let (channels, [_, kw]) = (output.c, window.kernel);
        let Part { image, rows, .. } = self.parts.part(task);
        // SAFETY: the contract of the kernel; `Conv` has compared the sizes of all operands with the shape.
        unsafe {
            let sums = memory.at(&self.partials).add(task * window.area() * channels);
            let mut i = 0;
            while i < window.area() * channels {
                s.store(sums.add(i), s.splat(0.0));
                i += S::LANES;
            }
            for oy in rows {
                let taps = Way::Forward.taps(&window, 0, oy, input.h);
                let dy = memory.at(&self.dy).add((image * output.h + oy) * output.w * self.dy.ld);
                let mut c = 0;
                while c < channels {
                    for i in 0..taps.count {
                        let row = (image * input.h + taps.at + i) * input.w;
                        let x = memory.at(&self.x).add(row * self.x.ld + c);
                        let sums = sums.add((taps.first + i) * kw * channels + c);
                        let mut kx = 0;
                        while kx < kw {
                            match (kw - kx).min(AT_ONCE) {
                                4 => self.row::<S, 4>(s, x, dy.add(c), sums, kx),
                                3 => self.row::<S, 3>(s, x, dy.add(c), sums, kx),
                                2 => self.row::<S, 2>(s, x, dy.add(c), sums, kx),
                                _ => self.row::<S, 1>(s, x, dy.add(c), sums, kx),
                            }
                            kx += AT_ONCE;
                        }
                    }
                    c += S::LANES;
                }
            }
        }
    }
}

impl WeightGradient {
    /// Adds the products of a row for `T` taps from `kx` on to their sums.
    ///
    /// # Safety
    /// `x` and `dy` point to the first pixels of an input row and an output row, `sums` to the row of
    /// weights; a vector is readable at every pixel and writable at every weight.
    #[inline(always)]
    unsafe fn row<S: Simd, const T: usize>(
        &self,
        s: S,
        x: *const f32,
        dy: *const f32,
        sums: *mut f32,
        kx: usize,
    ) {
        let stride = self.shape.window().stride[1];
        let padding = self.shape.window().padding[1];
        let channels = self.shape.output().c;
        let ldx = self.x.ld;
        let ldy = self.dy.ld;
        // Taps further right leave the left padding earlier and reach the right padding earlier.
        let all = self.columns(kx).start..self.columns(kx + T - 1).end;
        // SAFETY: outputs of `columns` read pixels of the row; the rest is guaranteed by the caller.
        unsafe {
            let input = |ox: usize, tap: usize| x.add((ox * stride + kx + tap - padding) * ldx);
            // Two independent sums per tap, because each addition waits for the previous one.
            let mut even = [s.splat(0.0); T];
            let mut odd = [s.splat(0.0); T];
            let mut ox = all.start;
            while ox + 1 < all.end {
                let first = s.load(dy.add(ox * ldy));
                let second = s.load(dy.add((ox + 1) * ldy));
                let x0 = input(ox, 0);
                let x1 = input(ox + 1, 0);
                for t in 0..T {
                    even[t] = s.fma(s.load(x0.add(t * ldx)), first, even[t]);
                    odd[t] = s.fma(s.load(x1.add(t * ldx)), second, odd[t]);
                }
                ox += 2;
            }
            let shared = all.start..ox.max(all.start);
            for t in 0..T {
                let mut sum = s.add(even[t], odd[t]);
                let columns = self.columns(kx + t);
                let mut ox = columns.start;
                while ox < columns.end {
                    if shared.contains(&ox) {
                        ox = shared.end;
                        continue;
                    }
                    sum = s.fma(s.load(input(ox, t)), s.load(dy.add(ox * ldy)), sum);
                    ox += 1;
                }
                let to = sums.add((kx + t) * channels);
                s.store(to, s.add(s.load(to), sum));
            }
        }
    }
}
