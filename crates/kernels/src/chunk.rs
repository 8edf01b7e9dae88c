//! [`Chunks`]: divides pixels into ranges, one per task. The division depends on the shape alone.

use std::ops::Range;

/// Pixels `0..pixels` divided into equal ranges; the last range may be shorter.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Chunks {
    pixels: usize,
    each: usize,
}

/// Fewest and most values of one operand that a task of an element-wise kernel reads: about 10 to 100 us of
/// work.
const SMALLEST: usize = 16 << 10;
const LARGEST: usize = 64 << 10;

/// Most pixels whose sum is computed in `f32`; the partial sums are combined in `f64`.
const SUMMED: usize = 1024;

impl Chunks {
    /// Ranges for a kernel whose work is proportional to `pixels * channels`.
    pub(crate) fn new(pixels: usize, channels: usize) -> Self {
        let values = (pixels.saturating_mul(channels) / 64).clamp(SMALLEST, LARGEST);
        Self { pixels, each: (values / channels.max(1)).max(1) }
    }

    /// Ranges for sums over pixels. They depend only on the number of pixels, so that kernels of different
    /// widths produce the same parts.
    pub(crate) fn parts(pixels: usize) -> Self {
        Self { pixels, each: pixels.div_ceil(16).clamp(32, SUMMED) }
    }

    /// Number of ranges.
    pub(crate) fn count(&self) -> usize {
        self.pixels.div_ceil(self.each)
    }

    /// Range `index`.
    #[inline(always)]
    pub(crate) fn range(&self, index: usize) -> Range<usize> {
        index * self.each..((index + 1) * self.each).min(self.pixels)
    }

    /// Number of pixels of every range.
    pub(crate) fn counts(&self) -> Vec<usize> {
        (0..self.count()).map(|index| self.range(index).len()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_cover_every_pixel_once() {
        for pixels in [0, 1, 31, 800, 1025, 204_800] {
            for chunks in [Chunks::new(pixels, 16), Chunks::new(pixels, 1 << 20), Chunks::parts(pixels)] {
                let all: Vec<usize> = (0..chunks.count()).flat_map(|i| chunks.range(i)).collect();
                assert!(all.into_iter().eq(0..pixels), "{chunks:?}");
                assert_eq!(chunks.counts().iter().sum::<usize>(), pixels);
            }
        }
        assert!(Chunks::parts(204_800).counts().iter().all(|&count| count <= SUMMED));
    }
}
