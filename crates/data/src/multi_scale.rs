//! [`MultiScale`]: resizes each training batch to a random size.
//!
//! As in Ultralytics: a whole number of pixels from `imgsz * (1 - fraction)` to `imgsz * (1 + fraction)` and nearly a
//! stride more, rounded down to a multiple of the stride. Boxes are fractions of the image, so they do not change.

use std::ops::Range;

use rand::RngExt as _;
use serde::{Deserialize, Serialize};

use crate::random::{Purpose, stream};

/// How much the size of batches varies.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MultiScale {
    /// Largest change, as a fraction of the side of the images.
    pub fraction: f64,
    /// Sides are multiples of this many pixels.
    pub stride: usize,
}

impl MultiScale {
    /// The pixels from which a side is drawn, before it is rounded down to whole strides.
    fn pixels(self, imgsz: usize) -> Range<usize> {
        let stride = self.stride.max(1);
        let least = (imgsz as f64 * (1.0 - self.fraction)) as usize;
        let end = (imgsz as f64 * (1.0 + self.fraction)) as usize + stride;
        // At least one stride.
        least.max(stride)..end.max(stride + 1)
    }

    /// The largest side of images of this side.
    pub fn largest(self, imgsz: usize) -> usize {
        (self.pixels(imgsz).end - 1) / self.stride.max(1) * self.stride.max(1)
    }

    /// Draws the height and width of a batch of this height and width. It depends on the seed, the epoch and the number
    /// of the batch only.
    pub(crate) fn draw(
        self,
        imgsz: usize,
        [h, w]: [usize; 2],
        (seed, epoch, number): (u64, u64, usize),
    ) -> [usize; 2] {
        let stride = self.stride.max(1);
        let mut rng = stream(Purpose::Scale, seed, epoch, number as u64);
        let side = rng.random_range(self.pixels(imgsz)) / stride * stride;
        // A rectangle keeps its shape, as far as multiples of the stride can.
        let scaled = |length: usize| (length * side).div_ceil(imgsz).next_multiple_of(stride);
        [scaled(h), scaled(w)]
    }
}

/// Resizes planes `[planes, h, w]` of bytes by bilinear interpolation at pixel centres, rounded to the nearest level.
/// Pixels outside count as the nearest ones at the edge.
pub(crate) fn resize_planes(bytes: &[u8], [h, w]: [usize; 2], [new_h, new_w]: [usize; 2]) -> Vec<u8> {
    let columns = taps(w, new_w);
    let rows = taps(h, new_h);
    let planes = bytes.len() / (h * w).max(1);
    let mut resized = Vec::with_capacity(planes * new_h * new_w);
    for plane in bytes.chunks_exact(h * w) {
        for row in &rows {
            let upper = &plane[row.first * w..][..w];
            let lower = &plane[row.second * w..][..w];
            resized.extend(columns.iter().map(|column| {
                let along = |line: &[u8]| {
                    let (a, b) = (f32::from(line[column.first]), f32::from(line[column.second]));
                    a + (b - a) * column.weight
                };
                let (a, b) = (along(upper), along(lower));
                (a + (b - a) * row.weight).round() as u8
            }));
        }
    }
    resized
}

/// Two source pixels and the weight of the second.
struct Tap {
    first: usize,
    second: usize,
    weight: f32,
}

/// The source pixels of each pixel along an axis.
fn taps(from: usize, to: usize) -> Vec<Tap> {
    let scale = from as f64 / to as f64;
    let tap = |at: usize| {
        let exact = ((at as f64 + 0.5) * scale - 0.5).clamp(0.0, (from - 1) as f64);
        let first = exact as usize;
        Tap { first, second: (first + 1).min(from - 1), weight: (exact - first as f64) as f32 }
    };
    (0..to).map(tap).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_by_hand() {
        // Centres of 4 new pixels over 2 old ones: -0.25 (at the edge), 0.25, 0.75, 1.25 (at the edge).
        assert_eq!(resize_planes(&[0, 100], [1, 2], [1, 4]), [0, 25, 75, 100]);
        // Halved: centres 0.5 and 2.5.
        assert_eq!(resize_planes(&[0, 100, 50, 250], [1, 4], [1, 2]), [50, 150]);
        // Both axes and two planes: the centre is the mean, 25.5 rounds up.
        assert_eq!(resize_planes(&[0, 10, 20, 72, 4, 4, 4, 4], [2, 2], [1, 1]), [26, 4]);
        let same: Vec<u8> = (0..60).collect();
        assert_eq!(resize_planes(&same, [4, 5], [4, 5]), same);
    }

    #[test]
    fn sizes_are_multiples_within_the_range_and_depend_on_the_place_only() {
        let scale = MultiScale { fraction: 0.5, stride: 32 };
        let draw = |seed, epoch, number| scale.draw(320, [320, 320], (seed, epoch, number))[0];
        let mut seen = std::collections::BTreeSet::new();
        for number in 0..400 {
            seen.insert(draw(0, 3, number));
            assert_eq!(draw(0, 3, number), draw(0, 3, number));
        }
        assert_eq!(seen.into_iter().collect::<Vec<_>>(), (5..=15).map(|n| n * 32).collect::<Vec<_>>());
        assert!(
            (0..20).any(|n| draw(0, 3, n) != draw(1, 3, n))
                && (0..20).any(|n| draw(0, 3, n) != draw(0, 4, n))
        );
        let sides = |fraction, imgsz| {
            let Range { start, end } = MultiScale { fraction, stride: 32 }.pixels(imgsz);
            (start / 32, (end - 1) / 32)
        };
        // 288 to 383, 304 to 367 and 320 to 351 pixels.
        assert_eq!([sides(0.1, 320), sides(0.05, 320), sides(0.0, 320)], [(9, 11), (9, 11), (10, 10)]);
        // 0 to 158 pixels, of which those below a stride are left out; 320 to 991.
        assert_eq!((sides(0.99, 64), scale.largest(640)), ((1, 4), 960));
        assert_eq!(MultiScale { fraction: 0.04, stride: 32 }.largest(640), 672);
        // A flat batch: 320 x 160 at twice the size of 160 x 80; 96 is the next multiple for 80.
        for number in 0..50 {
            let [h, w] = scale.draw(320, [160, 320], (0, 0, number));
            assert_eq!(h, (w / 2).next_multiple_of(32));
        }
    }
}
