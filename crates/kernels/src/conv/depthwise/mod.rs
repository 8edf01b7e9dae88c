//! [`Forward`], [`InputGradient`] and [`WeightGradient`] of depthwise convolutions: every channel has its own
//! window of weights and reads no other channel.
//!
//! With channels innermost, each lane and tap is one multiply-add. There are only a few operations for every
//! value read, so memory bandwidth is the limit: no value is packed or copied, rows are read in place, and
//! neighbouring pixels share their weights in registers. Taps in the padding are skipped.
//!
//! Weights are `[ky * kw + kx][channel]`.

mod forward;
mod input_gradient;
mod pass;
mod rows;
mod taps;
mod weight_gradient;

pub(super) use forward::Forward;
pub(super) use input_gradient::InputGradient;
pub(super) use weight_gradient::WeightGradient;

use std::ops::Range;

use crate::Nhwc;

/// Fewest and most values of a part, rounded to whole rows: the rows of a part and the rows that it reads
/// stay in the second-level cache.
const SMALLEST: usize = 8 << 10;
const LARGEST: usize = 64 << 10;

/// Rows of images divided into tasks. The division depends on the shape alone, so that results do not depend
/// on threads.
#[derive(Debug, Clone, Copy)]
pub(super) struct Parts {
    images: usize,
    h: usize,
    w: usize,
    /// Number of rows in a part.
    step: usize,
}

/// The rows of one task.
pub(super) struct Part {
    image: usize,
    rows: Range<usize>,
    /// The same rows as pixels of the batch.
    pixels: Range<usize>,
}

impl Parts {
    pub(super) fn new(shape: Nhwc) -> Self {
        let values = (shape.len() / 64).clamp(SMALLEST, LARGEST);
        let step = (values / (shape.w * shape.c).max(1)).clamp(1, shape.h.max(1));
        // Pixels without channels take no memory, so their number is unlimited; no task computes them.
        let images = if shape.c == 0 { 0 } else { shape.n };
        Self { images, h: shape.h, w: shape.w, step }
    }

    fn per_image(&self) -> usize {
        self.h.div_ceil(self.step)
    }

    pub(super) fn count(&self) -> usize {
        self.images.saturating_mul(self.per_image())
    }

    #[inline(always)]
    fn part(&self, index: usize) -> Part {
        let image = index / self.per_image();
        let index = index % self.per_image();
        let rows = index * self.step..((index + 1) * self.step).min(self.h);
        let pixel = |row: usize| (image * self.h + row) * self.w;
        Part { image, pixels: pixel(rows.start)..pixel(rows.end), rows }
    }

    /// Number of pixels in every part.
    pub(super) fn counts(&self) -> Vec<usize> {
        (0..self.count()).map(|index| self.part(index).pixels.len()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cover_every_pixel_in_order() {
        for (n, h, w, c) in [(1, 1, 1, 16), (2, 7, 5, 48), (8, 80, 80, 64), (1, 3, 9000, 16)] {
            let parts = Parts::new(Nhwc::new(n, h, w, c));
            let all: Vec<usize> = (0..parts.count()).flat_map(|i| parts.part(i).pixels).collect();
            assert!(all.into_iter().eq(0..n * h * w), "{parts:?}");
            assert!(parts.counts().iter().all(|count| *count > 0));
        }
        assert!(Parts::new(Nhwc::new(1 << 32, 13, 1, 0)).counts().is_empty());
    }
}
