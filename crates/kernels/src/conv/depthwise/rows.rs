//! [`Row`]: one row of a depthwise convolution, in either direction.

use super::taps::{Taps, Tile, Tiles};
use crate::simd::Simd;

/// Initial value of a sum, before the first product is added.
#[derive(Debug, Clone, Copy)]
pub(super) enum Start {
    Zero,
    /// The value of a vector with one value per channel.
    Bias(*const f32),
    /// The value already stored there.
    There,
}

/// A row of output pixels and the data to compute it from.
#[derive(Clone, Copy)]
pub(super) struct Row<'a> {
    pub(super) tiles: &'a Tiles,
    /// Taps of the row along the vertical axis.
    pub(super) rows: Taps,
    /// First pixel of the image to read, its pitch, and its number of pixels per row.
    pub(super) from: *const f32,
    pub(super) from_ld: usize,
    pub(super) from_w: usize,
    /// `[ky * kernel_w + kx][channel]`.
    pub(super) weights: *const f32,
    pub(super) kernel_w: usize,
    pub(super) channels: usize,
    /// First pixel of the row to write.
    pub(super) to: *mut f32,
    pub(super) to_ld: usize,
    pub(super) start: Start,
}

impl Row<'_> {
    /// Computes the row.
    ///
    /// # Safety
    /// The tiles belong to rows of the widths of both sides, the taps are rows of the image to read, and
    /// `channels`, which are whole segments, are readable or writable at every pixel and weight, and at the
    /// bias.
    #[inline(always)]
    pub(super) unsafe fn compute<S: Simd>(self, s: S) {
        for tile in &self.tiles.all {
            // SAFETY: guaranteed by the caller.
            unsafe {
                match tile.pixels {
                    8 => self.tile::<S, 8>(s, tile),
                    4 => self.tile::<S, 4>(s, tile),
                    _ => self.tile::<S, 1>(s, tile),
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn tile<S: Simd, const P: usize>(self, s: S, tile: &Tile) {
        let rows = self.rows;
        let columns = tile.taps;
        let near = self.tiles.near_step * self.to_ld;
        let far = self.tiles.far_step * self.from_ld;
        let mut c = 0;
        // SAFETY: guaranteed by the caller; the pixels of a tile are in the row, and the pixels of its taps
        // are in the image.
        unsafe {
            let to = self.to.add(tile.x * self.to_ld);
            while c < self.channels {
                let mut sums = [s.splat(0.0); P];
                match self.start {
                    Start::Zero => {}
                    Start::Bias(bias) => sums = [s.load(bias.add(c)); P],
                    Start::There => {
                        for p in 0..P {
                            sums[p] = s.load(to.add(p * near + c));
                        }
                    }
                }
                for i in 0..rows.count {
                    let ky = rows.first + i * rows.step;
                    let y = (rows.at as isize + i as isize * rows.by).cast_unsigned();
                    let from = self.from.add((y * self.from_w + columns.at) * self.from_ld + c);
                    let weights = self.weights.add(ky * self.kernel_w * self.channels + c);
                    for j in 0..columns.count {
                        let kx = columns.first + j * columns.step;
                        let weight = s.load(weights.add(kx * self.channels));
                        let from = from.offset(j as isize * columns.by * self.from_ld.cast_signed());
                        for p in 0..P {
                            sums[p] = s.fma(s.load(from.add(p * far)), weight, sums[p]);
                        }
                    }
                }
                for p in 0..P {
                    s.store(to.add(p * near + c), sums[p]);
                }
                c += S::LANES;
            }
        }
    }
}
