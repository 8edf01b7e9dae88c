//! [`Outer`]: the micro-kernel of the weight gradient, inputs times output gradients, summed over pixels in
//! registers.
//!
//! `dw[m][n] += sum over rows and pixels of x[row][pixel][m] * dy[row][pixel][n]`: `m` runs over contiguous
//! inputs (a row of the kernel times its channels), `n` over a panel of output channels.

use super::tile::{pieces, with_height};
use crate::simd::{Simd, WithSimd};

/// A block of the weight gradient.
#[derive(Clone, Copy)]
pub(crate) struct Outer {
    /// Number of rows of output pixels.
    pub(crate) rows: usize,
    /// Number of pixels in a row.
    pub(crate) n: usize,
    /// Inputs of the first pixel.
    pub(crate) x: *const f32,
    /// Distance from pixel to pixel, and from row to row, in `x`.
    pub(crate) x_pitch: [usize; 2],
    /// Number of inputs of a pixel.
    pub(crate) m: usize,
    /// Output gradients of the first pixel.
    pub(crate) dy: *const f32,
    /// Distance from pixel to pixel, and from row to row, in `dy`.
    pub(crate) dy_pitch: [usize; 2],
    /// Width of the panel.
    pub(crate) width: usize,
    /// First row of the block.
    pub(crate) dw: *mut f32,
    /// Distance from row to row in `dw`.
    pub(crate) ldw: usize,
    /// Whether to add to the existing values.
    pub(crate) accumulate: bool,
}

impl Outer {
    /// Computes the block.
    ///
    /// # Safety
    /// Memory for all inputs, gradients and sums that the fields describe is readable or writable.
    #[inline(always)]
    pub(crate) unsafe fn compute<S: Simd>(self, s: S) {
        s.vectorize(self);
    }
}

impl WithSimd for Outer {
    type Output = ();

    #[inline(always)]
    fn with<S: Simd>(self, s: S) {
        // SAFETY: only `compute` creates it, and its caller guarantees the addresses.
        unsafe {
            match self.width / S::LANES {
                1 => cover::<S, 1>(s, self),
                2 => cover::<S, 2>(s, self),
                _ => cover::<S, 3>(s, self),
            }
        }
    }
}

#[inline(always)]
unsafe fn cover<S: Simd, const NR: usize>(s: S, block: Outer) {
    if const { S::PIXELS[NR] == 0 } {
        unreachable!("panels have only widths with a tile");
    } else {
        pieces!(block.m, S::PIXELS[NR], start, len => {
            // SAFETY: rows `start .. start + len` of the block.
            unsafe {
                let x = block.x.add(start);
                let dw = block.dw.add(start * block.ldw);
                with_height!(len, S, NR, M => tile::<S, M, NR>(s, x, dw, &block));
            }
        });
    }
}

#[inline(always)]
unsafe fn tile<S: Simd, const MR: usize, const NR: usize>(s: S, x: *const f32, dw: *mut f32, block: &Outer) {
    // SAFETY: `MR` inputs of every pixel and a panel of `NR` vectors lie inside the memory that `Outer`
    // describes.
    unsafe {
        let mut acc = [[s.splat(0.0); NR]; MR];
        if block.accumulate {
            for m in 0..MR {
                for n in 0..NR {
                    acc[m][n] = s.load(dw.add(m * block.ldw + n * S::LANES));
                }
            }
        }
        let ([x_pixel, x_row], [dy_pixel, dy_row]) = (block.x_pitch, block.dy_pitch);
        for row in 0..block.rows {
            let mut x = x.add(row * x_row);
            let mut dy = block.dy.add(row * dy_row);
            for _ in 0..block.n {
                let mut gradient = [s.splat(0.0); NR];
                for n in 0..NR {
                    gradient[n] = s.load(dy.add(n * S::LANES));
                }
                for m in 0..MR {
                    let input = s.splat(*x.add(m));
                    for n in 0..NR {
                        acc[m][n] = s.fma(input, gradient[n], acc[m][n]);
                    }
                }
                x = x.wrapping_add(x_pixel);
                dy = dy.wrapping_add(dy_pixel);
            }
        }
        for m in 0..MR {
            for n in 0..NR {
                s.store(dw.add(m * block.ldw + n * S::LANES), acc[m][n]);
            }
        }
    }
}
