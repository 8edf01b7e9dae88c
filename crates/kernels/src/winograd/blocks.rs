//! [`Blocks`]: divides the tiles of a batch into blocks. [`group`] and [`panel`] divide channels.
//!
//! A tile is 4x4 pixels of the output. A block is some tile rows of one image, or some whole images: a
//! contiguous range of pixels, so that statistics and epilogue run over it while it is in the cache. All
//! divisions depend on the shape alone.

use std::ops::Range;

use crate::Nhwc;
use crate::simd::Simd;

/// Number of outputs of a tile along an axis.
pub(super) const TILE: usize = 4;
/// Number of products per tile, input channel and output channel.
pub(super) const PLANES: usize = 36;
/// Number of channels in a unit of a group; the last unit also takes the remaining channels.
const UNIT: usize = 32;

/// Piece `i` of `total` divided into `pieces` whose sizes differ by at most one.
pub(super) const fn piece(total: usize, pieces: usize, i: usize) -> Range<usize> {
    total * i / pieces..total * (i + 1) / pieces
}

/// Distance between planes of `len` values: an odd number of cache lines, so that 36 lines that are written
/// together do not compete for the same cache sets.
pub(super) const fn plane_pitch(len: usize) -> usize {
    (len.div_ceil(16) | 1) * 16
}

/// Distance between tiles with many channels: rows that are read together must not lie a power of two apart.
pub(super) const fn tile_pitch(channels: usize) -> usize {
    if channels < 128 { channels } else { plane_pitch(channels) }
}

/// Width of the panel of packed weights that starts where `rest` channels are left. A rest of 48 becomes one
/// wide panel.
#[inline(always)]
pub(super) const fn panel<S: Simd>(rest: usize) -> usize {
    match (S::LANES, rest) {
        (16, 48) => 48,
        (16, 32..) => 32,
        _ => 16,
    }
}

/// Number of units in `channels`, which is the largest number of groups.
pub(super) const fn units(channels: usize) -> usize {
    if channels < UNIT { 1 } else { channels / UNIT }
}

/// Channels of group `i` of `groups`; they are whole panels on every instruction set.
pub(super) fn group(channels: usize, groups: usize, i: usize) -> Range<usize> {
    let cut = piece(units(channels), groups, i);
    let end = if i + 1 == groups { channels } else { cut.end * UNIT };
    cut.start * UNIT..end
}

/// Number of channels in the widest group.
pub(super) fn widest_group(channels: usize, groups: usize) -> usize {
    (0..groups).map(|i| group(channels, groups, i).len()).max().unwrap_or(0)
}

/// The tiles of a batch, divided into blocks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Blocks {
    image: Nhwc,
    cut: Cut,
}

#[derive(Debug, Clone, Copy)]
enum Cut {
    /// Each image is divided into this many blocks of tile rows.
    Rows(usize),
    /// The batch is divided into this many blocks of whole images.
    Images(usize),
}

/// A range of tiles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Block {
    /// First image.
    pub(super) image: usize,
    /// Number of images; 1 if the block is a part of an image.
    pub(super) images: usize,
    /// First tile row.
    pub(super) row: usize,
    /// Number of tile rows in each image.
    pub(super) rows: usize,
}

impl Blocks {
    /// Creates blocks of at most `most` tiles; more only if a single row of tiles has more.
    pub(super) fn new(image: Nhwc, most: usize) -> Self {
        let rows = image.h.div_ceil(TILE);
        let columns = image.w.div_ceil(TILE);
        let cut = if rows * columns <= most {
            Cut::Images(image.n.div_ceil(most / (rows * columns)))
        } else {
            Cut::Rows(rows.div_ceil((most / columns).max(1)))
        };
        Self { image, cut }
    }

    /// Number of blocks.
    pub(super) fn len(&self) -> usize {
        match self.cut {
            Cut::Rows(pieces) => self.image.n * pieces,
            Cut::Images(blocks) => blocks,
        }
    }

    /// Number of tiles in a row.
    pub(super) fn columns(&self) -> usize {
        self.image.w.div_ceil(TILE)
    }

    fn rows(&self) -> usize {
        self.image.h.div_ceil(TILE)
    }

    /// Number of tiles in the largest block.
    pub(super) fn most_tiles(&self) -> usize {
        match self.cut {
            Cut::Rows(pieces) => self.rows().div_ceil(pieces) * self.columns(),
            Cut::Images(blocks) => self.image.n.div_ceil(blocks) * self.rows() * self.columns(),
        }
    }

    /// Block `i`.
    pub(super) fn get(&self, i: usize) -> Block {
        match self.cut {
            Cut::Rows(pieces) => {
                let rows = piece(self.rows(), pieces, i % pieces);
                Block { image: i / pieces, images: 1, row: rows.start, rows: rows.len() }
            }
            Cut::Images(blocks) => {
                let images = piece(self.image.n, blocks, i);
                Block { image: images.start, images: images.len(), row: 0, rows: self.rows() }
            }
        }
    }

    /// Number of tiles in a block.
    pub(super) fn tiles(&self, block: &Block) -> usize {
        block.images * block.rows * self.columns()
    }

    /// Pixels of a block.
    pub(super) fn pixels(&self, block: &Block) -> Range<usize> {
        let Nhwc { h, w, .. } = self.image;
        let end = ((block.row + block.rows) * TILE).min(h);
        let first = (block.image * h + block.row * TILE) * w;
        first..((block.image + block.images - 1) * h + end) * w
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_cover_every_pixel_once_in_order() {
        for (n, h, w) in [(1, 1, 1), (3, 10, 10), (8, 40, 40), (2, 13, 5), (5, 3, 200), (2, 21, 33)] {
            for most in [1, 9, 28, 60] {
                let blocks = Blocks::new(Nhwc::new(n, h, w, 16), most);
                let mut pixel = 0;
                let mut tiles = 0;
                for i in 0..blocks.len() {
                    let block = blocks.get(i);
                    let range = blocks.pixels(&block);
                    assert_eq!(range.start, pixel);
                    assert!(!range.is_empty() && blocks.tiles(&block) <= blocks.most_tiles());
                    pixel = range.end;
                    tiles += blocks.tiles(&block);
                }
                assert_eq!((pixel, tiles), (n * h * w, n * h.div_ceil(4) * w.div_ceil(4)));
                assert!(blocks.most_tiles() <= most.max(w.div_ceil(4)));
            }
        }
    }

    #[test]
    fn groups_are_whole_panels() {
        for channels in (16..=272).step_by(16) {
            for groups in 1..=units(channels) {
                let mut end = 0;
                for i in 0..groups {
                    let group = group(channels, groups, i);
                    assert_eq!((group.start, group.start % 32), (end, 0));
                    assert!(
                        group.end == channels || group.end.is_multiple_of(32) && channels - group.end >= 32
                    );
                    assert!(!group.is_empty() && group.len() <= widest_group(channels, groups));
                    end = group.end;
                }
                assert_eq!(end, channels);
            }
        }
    }
}
