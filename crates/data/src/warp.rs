//! [`warp`]: samples an image through a matrix, bilinear, with grey outside the image.
//!
//! A pixel (x, y) of the result is the source at `M (x, y, 1)`; whole numbers are pixel centres. Weights have
//! 7 bits, which is enough for 8-bit pixels. Without rotation, shear or perspective, as in usual training,
//! rows and columns are independent: two whole rows are blended, then pixels are picked from the blend.

use image::RgbImage;
use multiversion::multiversion;

use crate::letterbox::PADDING;
use crate::matrix::Matrix;

/// The value 1 in the fixed-point format of the weights.
const ONE: u16 = 128;

/// The image on a canvas of `size`; `inverse` maps canvas pixels to image pixels.
pub(crate) fn warp(image: &RgbImage, inverse: &Matrix, size: (u32, u32)) -> RgbImage {
    let mut canvas = RgbImage::new(size.0, size.1);
    let [[_, by_row, _], [by_column, _, _], last] = inverse;
    if *by_row == 0.0 && *by_column == 0.0 && *last == [0.0, 0.0, 1.0] {
        scale(image, (inverse[0][0], inverse[0][2]), (inverse[1][1], inverse[1][2]), &mut canvas);
    } else {
        sample(image, inverse, &mut canvas);
    }
    canvas
}

/// The integer part, and the weight of the next pixel.
fn split(position: f64) -> (i64, u16) {
    let whole = position.floor();
    // `as` saturates: a position far outside stays outside.
    (whole as i64, ((position - whole) * f64::from(ONE) + 0.5) as u16)
}

/// Byte offsets of two pixels of a blended row, and the weight of the second.
struct Pick {
    left: usize,
    right: usize,
    weight: u32,
}

/// Samples columns at `across.0 x + across.1` and rows at `down.0 y + down.1`.
fn scale(image: &RgbImage, across: (f64, f64), down: (f64, f64), canvas: &mut RgbImage) {
    let w = image.width() as usize;
    let h = image.height() as usize;
    // One grey pixel at each end of a blended row stands for everything outside.
    let slot = |column: i64| 3 * (column.clamp(-1, w as i64) + 1) as usize;
    let picks: Vec<Pick> = (0..canvas.width())
        .map(|x| {
            let (column, weight) = split(across.0 * f64::from(x) + across.1);
            Pick { left: slot(column), right: slot(column.saturating_add(1)), weight: weight.into() }
        })
        .collect();
    let used = picks
        .iter()
        .fold((3 * (w + 1), 3), |(low, high), pick| (low.min(pick.left), high.max(pick.right + 3)));
    let first = used.0.max(3);
    let end = used.1.min(3 * (w + 1));
    let grey = vec![PADDING; 3 * w];
    let row = |y: i64| {
        let inside = usize::try_from(y).ok().filter(|y| *y < h);
        inside.map_or(&grey[..], |y| &image.as_raw()[3 * w * y..3 * w * (y + 1)])
    };
    let mut blend = vec![u16::from(PADDING) * ONE; 3 * (w + 2)];
    let width = canvas.width() as usize;
    for (y, out) in canvas.as_mut().chunks_exact_mut(3 * width.max(1)).enumerate() {
        let (top, weight) = split(down.0 * y as f64 + down.1);
        if first < end {
            let range = first - 3..end - 3;
            let upper = &row(top)[range.clone()];
            let lower = &row(top.saturating_add(1))[range];
            mix(upper, lower, weight, &mut blend[first..end]);
        }
        pick(&blend, &picks, out);
    }
}

/// `out = upper (1 - weight) + lower weight`, with 7 fractional bits.
#[multiversion(targets("x86_64+avx+avx2+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx+avx2"))]
fn mix(upper: &[u8], lower: &[u8], weight: u16, out: &mut [u16]) {
    for ((out, upper), lower) in out.iter_mut().zip(upper).zip(lower) {
        *out = u16::from(*upper) * (ONE - weight) + u16::from(*lower) * weight;
    }
}

fn pick(blend: &[u16], picks: &[Pick], out: &mut [u8]) {
    for (out, pick) in out.as_chunks_mut::<3>().0.iter_mut().zip(picks) {
        let left = &blend[pick.left..pick.left + 3];
        let right = &blend[pick.right..pick.right + 3];
        for channel in 0..3 {
            let sum = u32::from(left[channel]) * (u32::from(ONE) - pick.weight)
                + u32::from(right[channel]) * pick.weight;
            out[channel] = ((sum + (1 << 13)) >> 14) as u8;
        }
    }
}

/// Samples through any matrix, pixel by pixel.
fn sample(image: &RgbImage, inverse: &Matrix, canvas: &mut RgbImage) {
    let w = i64::from(image.width());
    let h = i64::from(image.height());
    let pixels = image.as_chunks::<3>().0;
    let at = |x: i64, y: i64| {
        let inside = (0..w).contains(&x) && (0..h).contains(&y);
        if inside { pixels[(y * w + x) as usize] } else { [PADDING; 3] }
    };
    let width = canvas.width() as usize;
    for (y, out) in canvas.as_mut().chunks_exact_mut(3 * width.max(1)).enumerate() {
        for (x, out) in out.as_chunks_mut::<3>().0.iter_mut().enumerate() {
            let [u, v, q] = inverse.map(|row| row[0] * x as f64 + row[1] * y as f64 + row[2]);
            // Points with q <= 0 lie behind the camera and show nothing.
            let (u, v) = if q > 0.0 { (u / q, v / q) } else { (-2.0, -2.0) };
            let ((column, right), (row, lower)) = (split(u), split(v));
            let next = column.saturating_add(1);
            let below = row.saturating_add(1);
            let four = [at(column, row), at(next, row), at(column, below), at(next, below)];
            let right = u32::from(right);
            let lower = u32::from(lower);
            let one = u32::from(ONE);
            let weights =
                [(one - right) * (one - lower), right * (one - lower), (one - right) * lower, right * lower];
            *out = std::array::from_fn(|channel| {
                let sum: u32 =
                    four.iter().zip(weights).map(|(p, weight)| u32::from(p[channel]) * weight).sum();
                ((sum + (1 << 13)) >> 14) as u8
            });
        }
    }
}
