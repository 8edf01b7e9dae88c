//! From interleaved bytes to planes of floats, with a change of colours on the way.

use image::RgbImage;
use multiversion::multiversion;

use crate::HsvGains;

/// Pixels worked on at a time: enough to fill vector registers, few enough to stay in the first cache.
const BLOCK: usize = 64;

/// Writes an image as three planes of 0..=1.
///
/// # Shapes
/// `image` `h x w`, `planes` `[3, h, w]`.
///
/// # Panics
/// Where `planes` does not hold `3 * h * w` values.
pub fn write_planes(image: &RgbImage, planes: &mut [f32]) {
    let (red, green, blue) = split(image, planes);
    write(image.as_chunks::<3>().0, red, green, blue);
}

/// As [`write_planes`] after [`HsvGains::apply`], in one pass and to the same bits.
pub(crate) fn write_planes_changed(image: &RgbImage, gains: HsvGains, planes: &mut [f32]) {
    let (red, green, blue) = split(image, planes);
    write_changed(image.as_chunks::<3>().0, gains, red, green, blue);
}

fn split<'a>(image: &RgbImage, planes: &'a mut [f32]) -> (&'a mut [f32], &'a mut [f32], &'a mut [f32]) {
    let pixels = image.as_raw().len() / 3;
    assert_eq!(planes.len(), 3 * pixels, "three planes of the image's size");
    let (red, rest) = planes.split_at_mut(pixels);
    let (green, blue) = rest.split_at_mut(pixels);
    (red, green, blue)
}

#[multiversion(targets("x86_64+avx+avx2+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx+avx2"))]
fn write(pixels: &[[u8; 3]], red: &mut [f32], green: &mut [f32], blue: &mut [f32]) {
    for (((pixel, r), g), b) in pixels.iter().zip(red).zip(green).zip(blue) {
        [*r, *g, *b] = pixel.map(|value| f32::from(value) / 255.0);
    }
}

#[multiversion(targets("x86_64+avx+avx2+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx+avx2"))]
fn write_changed(pixels: &[[u8; 3]], gains: HsvGains, red: &mut [f32], green: &mut [f32], blue: &mut [f32]) {
    let planes = red.chunks_mut(BLOCK).zip(green.chunks_mut(BLOCK)).zip(blue.chunks_mut(BLOCK));
    for (block, ((red, green), blue)) in pixels.chunks(BLOCK).zip(planes) {
        for (((pixel, r), g), b) in block.iter().zip(&mut *red).zip(&mut *green).zip(&mut *blue) {
            [*r, *g, *b] = pixel.map(f32::from);
        }
        for ((r, g), b) in red.iter_mut().zip(green).zip(blue) {
            // Whole levels, as an image would hold them. Values are at least 0, so `trunc` rounds down.
            [*r, *g, *b] = gains.of([*r, *g, *b]).map(|value| (value + 0.5).trunc() / 255.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_pass_gives_the_bits_of_two() {
        let image =
            RgbImage::from_fn(37, 11, |x, y| image::Rgb([x * 7, y * 23, x * y].map(|v| (v % 256) as u8)));
        let gains = HsvGains { hue: 1.01, saturation: 1.4, value: 0.7 };
        let (mut once, mut twice) = (vec![0.0; 3 * 37 * 11], vec![0.0; 3 * 37 * 11]);
        write_planes_changed(&image, gains, &mut once);
        let mut changed = image;
        gains.apply(&mut changed);
        write_planes(&changed, &mut twice);
        assert_eq!(once, twice);
    }
}
