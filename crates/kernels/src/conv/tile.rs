//! [`Rows`]: the micro-kernel of forward and input gradient, pixels times a panel of output channels, summed
//! in registers.
//!
//! `y[m][n] = sum over runs and k of x[run + m * pitch + k] * w[run][k][n]`: the outer product of a broadcast
//! input and a row of weights. A run is a range of contiguous inputs, for example a whole kernel row in a
//! dense strip.

use crate::simd::{Simd, WithSimd};

/// A range of contiguous inputs and the weights for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Run {
    /// Offset of the first input from the address of a pixel.
    pub(crate) x: usize,
    /// Row of the panel for the first input.
    pub(crate) w: usize,
    /// Number of inputs.
    pub(crate) len: usize,
}

/// A row of output pixels and one panel.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'a> {
    /// Number of output pixels.
    pub(crate) n: usize,
    /// Inputs of the first pixel.
    pub(crate) x: *const f32,
    /// Distance from the inputs of one pixel to those of the next.
    pub(crate) pitch: usize,
    /// The runs to sum.
    pub(crate) runs: &'a [Run],
    /// The panel, `[rows][width]`.
    pub(crate) w: *const f32,
    /// Width of the panel.
    pub(crate) width: usize,
    /// First output pixel.
    pub(crate) y: *mut f32,
    /// Distance from one output pixel to the next.
    pub(crate) ldy: usize,
    /// Whether to add to the existing values.
    pub(crate) accumulate: bool,
}

impl Rows<'_> {
    /// Computes the row.
    ///
    /// # Safety
    /// Memory for all inputs, weights and outputs that the fields describe is readable or writable.
    #[inline(always)]
    pub(crate) unsafe fn compute<S: Simd>(self, s: S) {
        s.vectorize(self);
    }
}

impl WithSimd for Rows<'_> {
    type Output = ();

    #[inline(always)]
    fn with<S: Simd>(self, s: S) {
        // SAFETY: only `compute` creates it, and its caller guarantees the addresses.
        unsafe {
            match (self.width / S::LANES, self.accumulate) {
                (1, false) => cover::<S, 1, false>(s, self),
                (1, true) => cover::<S, 1, true>(s, self),
                (2, false) => cover::<S, 2, false>(s, self),
                (2, true) => cover::<S, 2, true>(s, self),
                (_, false) => cover::<S, 3, false>(s, self),
                (_, true) => cover::<S, 3, true>(s, self),
            }
        }
    }
}

/// Divides `n` into the fewest nearly equal pieces of at most `most`; calls `$body` with start and length of
/// each piece.
macro_rules! pieces {
    ($n:expr, $most:expr, $start:ident, $len:ident => $body:expr) => {{
        let n = $n;
        let count = n.div_ceil($most);
        let base = n / count.max(1);
        let longer = n % count.max(1);
        let mut $start = 0;
        for i in 0..count {
            let $len = base + usize::from(i < longer);
            $body;
            $start += $len;
        }
    }};
}

/// Calls `$tile::<S, $len, NR, ..>` for a run-time `$len` up to `S::PIXELS[NR]`; larger heights are not
/// compiled.
macro_rules! with_height {
    ($len:expr, $S:ident, $NR:ident, $M:ident => $call:expr) => {
        with_height!(@ $len, $S, $NR, $M, $call; 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24)
    };
    (@ $len:expr, $S:ident, $NR:ident, $M:ident, $call:expr; $($m:literal)*) => {
        match $len {
            $($m => {
                const $M: usize = $m;
                if const { $m <= $S::PIXELS[$NR] } { $call }
            })*
            _ => {}
        }
    };
}
pub(crate) use {pieces, with_height};

#[inline(always)]
unsafe fn cover<S: Simd, const NR: usize, const ACC: bool>(s: S, rows: Rows<'_>) {
    if const { S::PIXELS[NR] == 0 } {
        unreachable!("panels have only widths with a tile");
    } else {
        pieces!(rows.n, S::PIXELS[NR], start, len => {
            // SAFETY: pixels `start .. start + len` of the row.
            unsafe {
                let x = rows.x.add(start * rows.pitch);
                let y = rows.y.add(start * rows.ldy);
                with_height!(len, S, NR, M => tile::<S, M, NR, ACC>(s, x, y, &rows));
            }
        });
    }
}

#[inline(always)]
unsafe fn tile<S: Simd, const MR: usize, const NR: usize, const ACC: bool>(
    s: S,
    x: *const f32,
    y: *mut f32,
    rows: &Rows<'_>,
) {
    // SAFETY: `MR` pixels from `x` and `y` on, and a panel of `NR` vectors, lie inside the memory that `Rows`
    // describes.
    unsafe {
        let pitch = rows.pitch;
        let ldy = rows.ldy;
        let mut acc = [[s.splat(0.0); NR]; MR];
        if ACC {
            for m in 0..MR {
                for n in 0..NR {
                    acc[m][n] = s.load(y.add(m * ldy + n * S::LANES));
                }
            }
        }
        for run in rows.runs {
            let mut x = x.add(run.x);
            let mut w = rows.w.add(run.w * NR * S::LANES);
            for _ in 0..run.len {
                let mut weights = [s.splat(0.0); NR];
                for n in 0..NR {
                    weights[n] = s.load(w.add(n * S::LANES));
                }
                for m in 0..MR {
                    let input = s.splat(*x.add(m * pitch));
                    for n in 0..NR {
                        acc[m][n] = s.fma(input, weights[n], acc[m][n]);
                    }
                }
                x = x.add(1);
                w = w.add(NR * S::LANES);
            }
        }
        for m in 0..MR {
            for n in 0..NR {
                s.store(y.add(m * ldy + n * S::LANES), acc[m][n]);
            }
        }
    }
}
