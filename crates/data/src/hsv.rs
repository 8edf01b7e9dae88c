//! [`HsvGains`]: changes hue, saturation and brightness of an image.
//!
//! Computed in floating point without intermediate rounding, so gains of 1 return exactly the same pixels.
//! Other tools use 8-bit tables, which differ by a few levels.

use image::RgbImage;
use multiversion::multiversion;

/// Pixels processed at a time: enough to fill vector registers, few enough to stay in the first-level cache.
const BLOCK: usize = 64;

/// Factors on hue, saturation and value; 1 changes nothing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HsvGains {
    /// Factor on the hue angle, which then wraps round.
    pub hue: f32,
    /// Factor on saturation, which is then limited to 1.
    pub saturation: f32,
    /// Factor on value, which is then limited to 255.
    pub value: f32,
}

impl HsvGains {
    /// Applies the gains to every pixel, in place.
    pub fn apply(self, image: &mut RgbImage) {
        change(self, image.as_chunks_mut::<3>().0);
    }
}

#[multiversion(targets("x86_64+avx+avx2+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx+avx2"))]
fn change(gains: HsvGains, pixels: &mut [[u8; 3]]) {
    let mut planes = [[0.0f32; BLOCK]; 3];
    for block in pixels.chunks_mut(BLOCK) {
        let [red, green, blue] = &mut planes;
        for (index, pixel) in block.iter().enumerate() {
            red[index] = f32::from(pixel[0]);
            green[index] = f32::from(pixel[1]);
            blue[index] = f32::from(pixel[2]);
        }
        for index in 0..BLOCK {
            let changed = gains.of([red[index], green[index], blue[index]]);
            [red[index], green[index], blue[index]] = changed;
        }
        for (index, pixel) in block.iter_mut().enumerate() {
            *pixel = [red[index], green[index], blue[index]].map(to_level);
        }
    }
}

impl HsvGains {
    /// Changes one pixel with channels in 0..=255. It selects instead of branching, so that the compiler
    /// vectorises it.
    #[expect(clippy::inline_always, reason = "a call per pixel would keep its callers from being vectorised")]
    #[inline(always)]
    pub(crate) fn of(self, [r, g, b]: [f32; 3]) -> [f32; 3] {
        let value = r.max(g).max(b);
        let chroma = value - r.min(g).min(b);
        let per_chroma = if chroma > 0.0 { 1.0 / chroma } else { 0.0 };
        // Hue in sixths of the circle: 0 red, 2 green, 4 blue.
        let from_red = (g - b) * per_chroma;
        let from_green = (b - r) * per_chroma + 2.0;
        let from_blue = (r - g) * per_chroma + 4.0;
        let behind_red = if g >= b { from_green } else { from_blue };
        let hue = if r >= g && r >= b { from_red } else { behind_red };
        let hue = if hue < 0.0 { hue + 6.0 } else { hue };
        let turned = hue * self.hue;
        let new_hue = turned - 6.0 * (turned * (1.0 / 6.0)).floor();
        let new_value = (value * self.value).min(255.0);
        let saturation = if value > 0.0 { chroma / value } else { 0.0 };
        let new_chroma = new_value * (saturation * self.saturation).clamp(0.0, 1.0);
        // Closed form of HSV to RGB: each channel is lowered by the chroma over its own part of the circle.
        let channel = |offset: f32| {
            let ahead = offset + new_hue;
            let position = if ahead >= 6.0 { ahead - 6.0 } else { ahead };
            new_value - new_chroma * position.min(4.0 - position).clamp(0.0, 1.0)
        };
        [channel(5.0), channel(3.0), channel(1.0)]
    }
}

/// Rounds a value in 0..=255 to the nearest level, ties to even.
///
/// Adding 2^23 leaves no bits for a fraction in an `f32`, so its last bits are the integer. A cast would
/// check the range of each value, which prevents vectorisation.
#[inline]
pub(crate) fn to_level(value: f32) -> u8 {
    const NO_FRACTIONS: f32 = 8_388_608.0;
    (value + NO_FRACTIONS).to_bits() as u8
}
