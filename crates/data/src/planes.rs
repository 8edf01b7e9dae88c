//! [`write_planes`]: converts interleaved bytes to planes, and can change colours in the same pass.
//!
//! Workers produce planes of bytes, which take a fourth of the memory of floats; the receiver of the batch
//! converts them to floats.

use image::RgbImage;
use multiversion::multiversion;

use crate::HsvGains;
use crate::hsv::to_level;

/// Pixels processed at a time: enough to fill vector registers, few enough to stay in the first-level cache.
const BLOCK: usize = 64;

/// Writes an image as three planes of values in 0..=1.
///
/// # Shapes
/// `image` `h x w`, `planes` `[3, h, w]`.
///
/// # Panics
/// If `planes` does not hold `3 * h * w` values.
pub fn write_planes(image: &RgbImage, planes: &mut [f32]) {
    let (red, green, blue) = split(image, planes);
    write(image.as_chunks::<3>().0, red, green, blue);
}

/// Writes an image as three planes of bytes, with the colour change of [`HsvGains::apply`] if there are
/// gains.
pub(crate) fn write_bytes(image: &RgbImage, gains: Option<HsvGains>, planes: &mut [u8]) {
    let (red, green, blue) = split(image, planes);
    let pixels = image.as_chunks::<3>().0;
    match gains {
        Some(gains) => write_changed(pixels, gains, red, green, blue),
        None => write_plain(pixels, red, green, blue),
    }
}

/// Exchanges the first and the last of three planes.
pub(crate) fn swap_red_and_blue(planes: &mut [u8]) {
    let plane = planes.len() / 3;
    let (red, rest) = planes.split_at_mut(plane);
    red.swap_with_slice(&mut rest[plane..]);
}

/// Converts bytes to values in 0..=1.
#[multiversion(targets("x86_64+avx+avx2+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx+avx2"))]
pub(crate) fn to_floats(bytes: &[u8]) -> Vec<f32> {
    bytes.iter().map(|byte| f32::from(*byte) / 255.0).collect()
}

fn split<'a, T>(image: &RgbImage, planes: &'a mut [T]) -> (&'a mut [T], &'a mut [T], &'a mut [T]) {
    let pixels = image.as_raw().len() / 3;
    assert_eq!(planes.len(), 3 * pixels, "`planes` must hold three planes of the image's size");
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
fn write_plain(pixels: &[[u8; 3]], red: &mut [u8], green: &mut [u8], blue: &mut [u8]) {
    for (((pixel, r), g), b) in pixels.iter().zip(red).zip(green).zip(blue) {
        [*r, *g, *b] = *pixel;
    }
}

#[multiversion(targets("x86_64+avx+avx2+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx+avx2"))]
fn write_changed(pixels: &[[u8; 3]], gains: HsvGains, red: &mut [u8], green: &mut [u8], blue: &mut [u8]) {
    let (blocks, rest) = pixels.as_chunks::<BLOCK>();
    let ((red, red_rest), (green, green_rest), (blue, blue_rest)) =
        (red.as_chunks_mut(), green.as_chunks_mut(), blue.as_chunks_mut());
    for (((block, red), green), blue) in blocks.iter().zip(red).zip(green).zip(blue) {
        change_block(block, gains, red, green, blue);
    }
    let mut block = [[0; 3]; BLOCK];
    let mut planes = [[0; BLOCK]; 3];
    block[..rest.len()].copy_from_slice(rest);
    let [red, green, blue] = &mut planes;
    change_block(&block, gains, red, green, blue);
    red_rest.copy_from_slice(&red[..rest.len()]);
    green_rest.copy_from_slice(&green[..rest.len()]);
    blue_rest.copy_from_slice(&blue[..rest.len()]);
}

/// Changes one block. The size is fixed and each step is a loop of its own, so that the compiler vectorises
/// each step.
#[expect(clippy::inline_always, reason = "it is compiled for the instruction set of its caller")]
#[inline(always)]
fn change_block(
    pixels: &[[u8; 3]; BLOCK],
    gains: HsvGains,
    red: &mut [u8; BLOCK],
    green: &mut [u8; BLOCK],
    blue: &mut [u8; BLOCK],
) {
    let mut bytes = [[0u8; BLOCK]; 3];
    for (index, pixel) in pixels.iter().enumerate() {
        bytes[0][index] = pixel[0];
        bytes[1][index] = pixel[1];
        bytes[2][index] = pixel[2];
    }
    let [mut r, mut g, mut b] = bytes.map(|plane| plane.map(f32::from));
    for ((r, g), b) in r.iter_mut().zip(&mut g).zip(&mut b) {
        [*r, *g, *b] = gains.of([*r, *g, *b]);
    }
    *red = r.map(to_level);
    *green = g.map(to_level);
    *blue = b.map(to_level);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn red_and_blue_are_exchanged() {
        let mut planes = [1, 2, 3, 4, 5, 6];
        swap_red_and_blue(&mut planes);
        assert_eq!(planes, [5, 6, 3, 4, 1, 2]);
    }

    #[test]
    fn one_pass_gives_what_two_give() {
        let image =
            RgbImage::from_fn(37, 11, |x, y| image::Rgb([x * 7, y * 23, x * y].map(|v| (v % 256) as u8)));
        let gains = HsvGains { hue: 1.01, saturation: 1.4, value: 0.7 };
        let mut bytes = vec![0; 3 * 37 * 11];
        let mut planes = vec![0.0; bytes.len()];
        for gains in [None, Some(gains)] {
            let mut changed = image.clone();
            if let Some(gains) = gains {
                gains.apply(&mut changed);
            }
            write_planes(&changed, &mut planes);
            write_bytes(&image, gains, &mut bytes);
            assert_eq!(to_floats(&bytes), planes);
        }
    }
}
