//! [`Transform`]: transforms the tiles of an image into 36 planes, `B^T d B` of the input or `A d A^T` of the
//! output gradient.
//!
//! It first transforms the columns of a strip of tiles, so that a column that two tiles share is transformed
//! once, then the rows of every tile. Values outside the image are zero: a missing row is read from a line of
//! zeros with step 0, a missing column is written as zeros. Borders therefore need no separate code.

use std::marker::PhantomData;

use super::blocks::{Block, TILE};
use super::points::Expand;
use crate::Nhwc;
use crate::simd::{Simd, WithSimd};

/// Most tiles in a strip, so that its columns stay in the first-level cache.
const STRIP: usize = 8;

/// Number of scratch values for a strip.
pub(super) const STRIP_LEN: usize = (STRIP * TILE + 2) * 6 * 16;

/// The transform of all tiles of a block for some channels.
pub(super) struct Transform<E, const IN: usize> {
    /// The first of the channels in the first pixel of the batch.
    pub(super) from: *const f32,
    /// Row pitch of `from`.
    pub(super) ld: usize,
    /// Sizes of the batch.
    pub(super) image: Nhwc,
    /// The tiles to transform.
    pub(super) block: Block,
    /// Number of channels.
    pub(super) channels: usize,
    /// 36 planes of `[tile][channel]`.
    pub(super) to: *mut f32,
    /// Distance between planes.
    pub(super) pitch: usize,
    /// Distance between tiles in a plane.
    pub(super) tile_pitch: usize,
    /// [`STRIP_LEN`] values.
    pub(super) strip: *mut f32,
    /// The one-dimensional transform.
    pub(super) expand: PhantomData<E>,
}

impl<E: Expand<IN>, const IN: usize> WithSimd for Transform<E, IN> {
    type Output = ();

    #[inline(always)]
    fn with<S: Simd>(self, s: S) {
        let Nhwc { h, w, .. } = self.image;
        let columns = w.div_ceil(TILE);
        let mut to = self.to;
        for image in self.block.image..self.block.image + self.block.images {
            for row in self.block.row..self.block.row + self.block.rows {
                let mut column = 0;
                while column < columns {
                    let tiles = STRIP.min(columns - column);
                    // SAFETY: only kernels create it; their operands hold the whole batch and their scratch
                    // all tiles of the block. Tiles are counted in the order in which they are written.
                    unsafe {
                        let from = self.from.add(image * h * w * self.ld);
                        let mut channel = 0;
                        while channel < self.channels {
                            self.columns(s, from.add(channel), row, column, tiles);
                            self.rows(s, to.add(channel), tiles);
                            channel += S::LANES;
                        }
                        to = to.add(tiles * self.tile_pitch);
                    }
                    column += tiles;
                }
            }
        }
    }
}

impl<E: Expand<IN>, const IN: usize> Transform<E, IN> {
    /// Transforms the columns of `tiles` tiles into the strip: `[column][6]` vectors.
    ///
    /// # Safety
    /// `image` points to a vector of channels in the first pixel of an image.
    #[inline(always)]
    unsafe fn columns<S: Simd>(&self, s: S, image: *const f32, row: usize, column: usize, tiles: usize) {
        let zeros = [0.0_f32; 16];
        let mut lines = [zeros.as_ptr(); IN];
        let mut steps = [0; IN];
        let Nhwc { h, w, .. } = self.image;
        for i in 0..IN {
            let y = row * TILE + i;
            if y >= E::BEFORE && y < h + E::BEFORE {
                // SAFETY: the row lies in the image.
                lines[i] = unsafe { image.add((y - E::BEFORE) * w * self.ld) };
                steps[i] = self.ld;
            }
        }
        let count = tiles * TILE + IN - TILE;
        let x0 = column * TILE;
        let begin = E::BEFORE.saturating_sub(x0);
        let end = count.min(w + E::BEFORE - x0);
        for k in 0..count {
            // SAFETY: the strip holds `count` columns, and `x` is a column of the image.
            unsafe {
                let to = self.strip.add(k * 6 * S::LANES);
                let mut q = [s.splat(0.0); 6];
                if k >= begin && k < end {
                    let x = x0 + k - E::BEFORE;
                    let mut d = [s.splat(0.0); IN];
                    for i in 0..IN {
                        d[i] = s.load(lines[i].add(x * steps[i]));
                    }
                    q = E::expand(s, d);
                }
                for i in 0..6 {
                    s.store(to.add(i * S::LANES), q[i]);
                }
            }
        }
    }

    /// Transforms the rows of the tiles in the strip into the planes.
    ///
    /// # Safety
    /// `to` points to a vector of channels of the first of these tiles in the first plane.
    #[inline(always)]
    unsafe fn rows<S: Simd>(&self, s: S, to: *mut f32, tiles: usize) {
        for tile in 0..tiles {
            for i in 0..6 {
                // SAFETY: `columns` wrote these values; planes hold all tiles.
                unsafe {
                    let from = self.strip.add((tile * TILE * 6 + i) * S::LANES);
                    let mut d = [s.splat(0.0); IN];
                    for j in 0..IN {
                        d[j] = s.load(from.add(j * 6 * S::LANES));
                    }
                    let q = E::expand(s, d);
                    let to = to.add(tile * self.tile_pitch + i * 6 * self.pitch);
                    for j in 0..6 {
                        s.store(to.add(j * self.pitch), q[j]);
                    }
                }
            }
        }
    }
}
