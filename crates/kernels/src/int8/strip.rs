//! [`fill`]: rows of an image of codes copied into scratch with their padding.

use crate::conv::strip::{Strip, clip};

/// Fills `to` from an image `h x w` whose pixels are `ld` bytes apart; positions outside the image become
/// `zero`. With `bytes` 2, codes are widened to 16 bits; otherwise it is 1.
///
/// # Safety
/// `image` holds `h * w` pixels and `to` [`Strip::len`] channels; they do not overlap.
#[inline(always)]
pub(crate) unsafe fn fill(
    bytes: usize,
    strip: &Strip,
    image: *const u8,
    [h, w, ld]: [usize; 3],
    zero: u8,
    to: *mut u8,
) {
    let channels = strip.channels;
    let inside = clip(strip.left, strip.columns, w);
    let before = inside.start * channels;
    let after = inside.end * channels;
    for row in 0..strip.rows {
        // SAFETY: row `row` of the strip; source pixels are clipped to the image.
        unsafe {
            let to = to.add(row * strip.row_len() * bytes);
            let source = strip.top + row as isize;
            if source < 0 || source >= h as isize || inside.is_empty() {
                pad(bytes, to, strip.row_len(), zero);
                continue;
            }
            pad(bytes, to, before, zero);
            pad(bytes, to.add(after * bytes), strip.row_len() - after, zero);
            let first = source as usize * w + (strip.left + inside.start as isize) as usize;
            let from = image.add(first * ld);
            let to = to.add(before * bytes);
            if ld == channels {
                copy(bytes, from, to, after - before);
            } else {
                for pixel in 0..inside.len() {
                    copy(bytes, from.add(pixel * ld), to.add(pixel * channels * bytes), channels);
                }
            }
        }
    }
}

/// Writes the code `zero` to `len` channels.
#[inline(always)]
unsafe fn pad(bytes: usize, to: *mut u8, len: usize, zero: u8) {
    // SAFETY: the caller's promise.
    unsafe {
        if bytes == 1 {
            to.write_bytes(zero, len);
        } else {
            for i in 0..len {
                to.cast::<[u8; 2]>().add(i).write(u16::from(zero).to_ne_bytes());
            }
        }
    }
}

/// Copies `len` channels.
#[inline(always)]
unsafe fn copy(bytes: usize, from: *const u8, to: *mut u8, len: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        if bytes == 1 {
            to.copy_from_nonoverlapping(from, len);
        } else {
            for i in 0..len {
                to.cast::<[u8; 2]>().add(i).write(u16::from(*from.add(i)).to_ne_bytes());
            }
        }
    }
}
