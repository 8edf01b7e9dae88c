//! [`Strip`]: rows of an image copied into scratch with their zero padding, so that kernels need no code for
//! borders.

use std::ops::Range;

/// The part of an image that a strip holds. Rows and columns count from the corner of the image and may lie
/// outside it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Strip {
    /// First row.
    pub(crate) top: isize,
    /// Number of rows.
    pub(crate) rows: usize,
    /// First column.
    pub(crate) left: isize,
    /// Number of columns.
    pub(crate) columns: usize,
    /// Number of channels of a pixel.
    pub(crate) channels: usize,
}

impl Strip {
    /// Number of values in a row.
    pub(crate) const fn row_len(&self) -> usize {
        self.columns * self.channels
    }

    /// Number of values in the strip.
    pub(crate) const fn len(&self) -> usize {
        self.rows * self.row_len()
    }

    /// Fills `strip` from an image `h x w` whose pixels are `ld` apart; positions outside the image become
    /// zero.
    ///
    /// # Safety
    /// `image` holds `h * w` pixels and `strip` [`Strip::len`] values; they do not overlap.
    #[inline(always)]
    pub(crate) unsafe fn fill(&self, image: *const f32, h: usize, w: usize, ld: usize, strip: *mut f32) {
        let inside = clip(self.left, self.columns, w);
        let before = inside.start * self.channels;
        let after = inside.end * self.channels;
        for row in 0..self.rows {
            // SAFETY: row `row` of the strip; source pixels are clipped to the image.
            unsafe {
                let to = strip.add(row * self.row_len());
                let source = self.top + row as isize;
                if source < 0 || source >= h as isize || inside.is_empty() {
                    to.write_bytes(0, self.row_len());
                    continue;
                }
                to.write_bytes(0, before);
                to.add(after).write_bytes(0, self.row_len() - after);
                let first = source as usize * w + (self.left + inside.start as isize) as usize;
                let from = image.add(first * ld);
                if ld == self.channels {
                    to.add(before).copy_from_nonoverlapping(from, after - before);
                } else {
                    for pixel in 0..inside.len() {
                        let to = to.add(before + pixel * self.channels);
                        to.copy_from_nonoverlapping(from.add(pixel * ld), self.channels);
                    }
                }
            }
        }
    }
}

/// Range of the `len` positions from `start` on that lie in `0..size`.
pub(crate) fn clip(start: isize, len: usize, size: usize) -> Range<usize> {
    let first = (-start).clamp(0, len as isize);
    let last = (size as isize - start).clamp(first, len as isize);
    first as usize..last as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_outside_is_zero() {
        // A 2x3 image of 2 channels with pitch 3; the third value of a pixel is outside the view.
        let image: Vec<f32> = (0..18).map(|i| if i % 3 == 2 { f32::NAN } else { 1.0 + i as f32 }).collect();
        let strip = Strip { top: -1, rows: 4, left: -1, columns: 5, channels: 2 };
        let mut got = vec![f32::NAN; strip.len()];
        // SAFETY: both have the sizes given.
        unsafe { strip.fill(image.as_ptr(), 2, 3, 3, got.as_mut_ptr()) };
        let z = [0.0; 10];
        assert_eq!(got[..10], z);
        assert_eq!(got[10..20], [0.0, 0.0, 1.0, 2.0, 4.0, 5.0, 7.0, 8.0, 0.0, 0.0]);
        assert_eq!(got[20..30], [0.0, 0.0, 10.0, 11.0, 13.0, 14.0, 16.0, 17.0, 0.0, 0.0]);
        assert_eq!(got[30..], z);
        assert_eq!(clip(5, 2, 3), 0..0);
        assert_eq!(clip(-9, 2, 3), 2..2);
    }
}
