//! [`Store`]: transforms products in 36 planes into tiles of the output, `A^T m A`, and stores or adds them
//! with the bias.

use super::blocks::{Block, TILE};
use super::points::outputs;
use crate::Nhwc;
use crate::simd::{Simd, WithSimd};

/// The transform of all tiles of a block for some channels.
pub(super) struct Store {
    /// 36 planes of `[tile][channel]`.
    pub(super) from: *const f32,
    /// Distance between planes.
    pub(super) pitch: usize,
    /// Number of channels.
    pub(super) channels: usize,
    /// The first of the channels in the first pixel of the batch.
    pub(super) to: *mut f32,
    /// Row pitch of `to`.
    pub(super) ld: usize,
    /// Sizes of the batch.
    pub(super) image: Nhwc,
    /// The tiles to store.
    pub(super) block: Block,
    /// The first of the channels in the bias vector, or null without bias.
    pub(super) bias: *const f32,
    /// Whether to add to the existing values.
    pub(super) accumulate: bool,
}

impl WithSimd for Store {
    type Output = ();

    #[inline(always)]
    fn with<S: Simd>(self, s: S) {
        let Nhwc { h, w, .. } = self.image;
        let mut from = self.from;
        for image in self.block.image..self.block.image + self.block.images {
            for row in self.block.row..self.block.row + self.block.rows {
                let y = row * TILE;
                let rows = TILE.min(h - row * TILE);
                let mut x = 0;
                while x < w {
                    let columns = TILE.min(w - x);
                    // SAFETY: only kernels create it; their operands hold the whole batch and their scratch
                    // all tiles of the block, in this order.
                    unsafe {
                        let to = self.to.add(((image * h + y) * w + x) * self.ld);
                        let mut channel = 0;
                        while channel < self.channels {
                            let m = self.transform(s, from.add(channel), channel);
                            let to = to.add(channel);
                            match (self.accumulate, rows == TILE && columns == TILE) {
                                (false, true) => self.store::<S, false>(s, &m, to, TILE, TILE),
                                (false, false) => self.store::<S, false>(s, &m, to, rows, columns),
                                (true, true) => self.store::<S, true>(s, &m, to, TILE, TILE),
                                (true, false) => self.store::<S, true>(s, &m, to, rows, columns),
                            }
                            channel += S::LANES;
                        }
                        from = from.add(self.channels);
                    }
                    x += TILE;
                }
            }
        }
    }
}

impl Store {
    /// Computes the 16 outputs of a tile.
    ///
    /// # Safety
    /// `from` points to a vector of channels of a tile in the first plane; `channel` is the number of its
    /// first channel.
    #[inline(always)]
    unsafe fn transform<S: Simd>(&self, s: S, from: *const f32, channel: usize) -> [[S::V; TILE]; TILE] {
        let zero = s.splat(0.0);
        let mut half = [[zero; 6]; TILE];
        for j in 0..6 {
            let mut m = [zero; 6];
            for i in 0..6 {
                // SAFETY: guaranteed by the caller.
                m[i] = unsafe { s.load(from.add((i * 6 + j) * self.pitch)) };
            }
            let column = outputs(s, m);
            for i in 0..TILE {
                half[i][j] = column[i];
            }
        }
        // SAFETY: a bias has a value for every channel.
        let bias = if self.bias.is_null() { zero } else { unsafe { s.load(self.bias.add(channel)) } };
        let mut tile = [[zero; TILE]; TILE];
        for i in 0..TILE {
            let row = outputs(s, half[i]);
            for j in 0..TILE {
                tile[i][j] = s.add(row[j], bias);
            }
        }
        tile
    }

    /// Writes the first rows and columns of a tile.
    ///
    /// # Safety
    /// `to` points to a vector of channels of the first pixel of the tile; the given rows and columns lie in
    /// the image.
    #[inline(always)]
    unsafe fn store<S: Simd, const ADD: bool>(
        &self,
        s: S,
        tile: &[[S::V; TILE]; TILE],
        to: *mut f32,
        rows: usize,
        columns: usize,
    ) {
        for i in 0..rows {
            for j in 0..columns {
                // SAFETY: guaranteed by the caller.
                unsafe {
                    let to = to.add((i * self.image.w + j) * self.ld);
                    let sum = if ADD { s.add(s.load(to), tile[i][j]) } else { tile[i][j] };
                    s.store(to, sum);
                }
            }
        }
    }
}
