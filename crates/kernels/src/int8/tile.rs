//! [`CodeRows`]: the micro-kernel of convolutions on codes, pixels times a panel of output channels, summed in
//! registers.
//!
//! `sums[m][n] = first[n] + sum over groups k of x[m * pitch + offset[k]] . w[k][n]`, where one group has 4
//! bytes of inputs and 64 bytes of weights per segment of output channels.

use super::LANES;
use super::dot::{Dot, WithDot};
use crate::conv::tile::{pieces, with_height};

/// Number of bytes of the weights of a group for one segment.
pub(crate) const GROUP: usize = 64;

/// A row of output pixels and one panel.
#[derive(Clone, Copy)]
pub(crate) struct CodeRows<'a> {
    /// Number of output pixels.
    pub(crate) n: usize,
    /// Inputs of the first pixel.
    pub(crate) x: *const u8,
    /// Bytes from the inputs of one pixel to those of the next.
    pub(crate) pitch: usize,
    /// Bytes from the inputs of a pixel to every group.
    pub(crate) offsets: &'a [u32],
    /// The panel.
    pub(crate) w: *const u8,
    /// Width of the panel, in channels.
    pub(crate) width: usize,
    /// First sum of every channel.
    pub(crate) sums: *const i32,
    /// Factor of every channel.
    pub(crate) scale: *const f32,
    /// Summand of every channel.
    pub(crate) bias: *const f32,
    /// Receives the outputs.
    pub(crate) to: To,
}

/// Where the outputs go; `pitch` counts codes or values from one pixel to the next.
#[derive(Clone, Copy)]
pub(crate) enum To {
    /// Codes, which a table replaces unless it is null.
    Codes { y: *mut u8, pitch: usize, table: *const u8 },
    /// Values.
    Values { y: *mut f32, pitch: usize },
}

impl To {
    /// The outputs from pixel `pixel` on.
    #[inline(always)]
    unsafe fn pixel(self, pixel: usize) -> Self {
        // SAFETY: the caller's promise.
        unsafe {
            match self {
                Self::Codes { y, pitch, table } => Self::Codes { y: y.add(pixel * pitch), pitch, table },
                Self::Values { y, pitch } => Self::Values { y: y.add(pixel * pitch), pitch },
            }
        }
    }
}

impl CodeRows<'_> {
    /// Computes the row.
    ///
    /// # Safety
    /// Memory for all inputs, constants and outputs that the fields describe is readable or writable.
    #[inline(always)]
    pub(crate) unsafe fn compute<D: Dot>(self, d: D) {
        d.enter(self);
    }
}

impl WithDot for CodeRows<'_> {
    #[inline(always)]
    fn with<D: Dot>(self, d: D) {
        // SAFETY: only `compute` creates it, and its caller guarantees the addresses.
        unsafe {
            match self.width / LANES {
                1 => cover::<D, 1>(d, self),
                2 => cover::<D, 2>(d, self),
                3 => cover::<D, 3>(d, self),
                _ => cover::<D, 4>(d, self),
            }
        }
    }
}

#[inline(always)]
unsafe fn cover<D: Dot, const NR: usize>(d: D, rows: CodeRows<'_>) {
    if const { D::PIXELS[NR] == 0 } {
        unreachable!("panels have only widths with a tile");
    } else {
        pieces!(rows.n, D::PIXELS[NR], start, len => {
            // SAFETY: pixels `start .. start + len` of the row.
            unsafe {
                let x = rows.x.add(start * rows.pitch);
                let to = rows.to.pixel(start);
                with_height!(len, D, NR, M => tile::<D, M, NR>(d, x, to, &rows));
            }
        });
    }
}

#[inline(always)]
unsafe fn tile<D: Dot, const MR: usize, const NR: usize>(d: D, x: *const u8, to: To, rows: &CodeRows<'_>) {
    // SAFETY: `MR` pixels from `x` and `to` on, and a panel of `NR` segments, lie inside the memory that
    // `CodeRows` describes.
    unsafe {
        let pitch = rows.pitch;
        let mut sums = [[d.sums(rows.sums); NR]; MR];
        for n in 1..NR {
            let first = d.sums(rows.sums.add(n * LANES));
            for m in 0..MR {
                sums[m][n] = first;
            }
        }
        let mut w = rows.w;
        for offset in rows.offsets {
            let x = x.add(*offset as usize);
            let mut weights = [d.weights(w); NR];
            for n in 1..NR {
                weights[n] = d.weights(w.add(n * GROUP));
            }
            for m in 0..MR {
                let inputs = d.inputs(x.add(m * pitch));
                for n in 0..NR {
                    sums[m][n] = d.dot(sums[m][n], inputs, weights[n]);
                }
            }
            w = w.add(NR * GROUP);
        }
        match to {
            To::Codes { y, pitch, table } => {
                d.store_pixels(sums, [rows.scale, rows.bias], table, y, pitch);
            }
            To::Values { y, pitch } => {
                for m in 0..MR {
                    for n in 0..NR {
                        let y = y.add(m * pitch).add(n * LANES);
                        d.store_values(sums[m][n], rows.scale.add(n * LANES), rows.bias.add(n * LANES), y);
                    }
                }
            }
        }
    }
}
