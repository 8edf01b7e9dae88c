//! Random changes to a training image that leave its meaning alone.
//!
//! Invariant: all randomness comes from the generator that is passed in, and how many numbers are drawn does not
//! depend on the image; so a seed means the same changes everywhere.
//! Works on the letterboxed canvas. What combines several images (mosaic, mixup) does not belong here: it comes
//! before, where the loader asks the image store for samples.

use image::{RgbImage, imageops};
use rand::{Rng, RngExt as _};
use serde::{Deserialize, Serialize};

use crate::Label;

/// Which changes, how probable and how large. Defaults are Ultralytics'.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Augment {
    /// Probability of mirroring left and right.
    pub flip_horizontal: f64,
    /// Largest relative change of hue.
    pub hue: f32,
    /// Largest relative change of saturation.
    pub saturation: f32,
    /// Largest relative change of value (brightness).
    pub value: f32,
}

impl Default for Augment {
    fn default() -> Self {
        Self { flip_horizontal: 0.5, hue: 0.015, saturation: 0.7, value: 0.4 }
    }
}

impl Augment {
    /// Changes an image and its labels (fractions of that image).
    pub fn apply(&self, image: &mut RgbImage, labels: &mut [Label], rng: &mut impl Rng) {
        let mut gain = |largest: f32| 1.0 + rng.random_range(-1.0f32..=1.0) * largest;
        let gains =
            HsvGains { hue: gain(self.hue), saturation: gain(self.saturation), value: gain(self.value) };
        let flip = rng.random::<f64>() < self.flip_horizontal;
        gains.apply(image);
        if flip {
            flip_horizontal(image, labels);
        }
    }
}

/// Mirrors an image and its labels left to right.
pub fn flip_horizontal(image: &mut RgbImage, labels: &mut [Label]) {
    imageops::flip_horizontal_in_place(image);
    for label in labels {
        label.bbox.cx = 1.0 - label.bbox.cx;
    }
}

/// Factors on hue, saturation and value; 1 changes nothing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HsvGains {
    /// On the hue angle, which then wraps round.
    pub hue: f32,
    /// On saturation, which then saturates at 1.
    pub saturation: f32,
    /// On value, which then saturates at 255.
    pub value: f32,
}

impl HsvGains {
    /// Changes every pixel.
    ///
    /// Computed without rounding in between, so gains of 1 give back exactly the same pixels.
    pub fn apply(self, image: &mut RgbImage) {
        for pixel in image.as_chunks_mut::<3>().0 {
            *pixel = self.change(*pixel);
        }
    }

    fn change(self, [r, g, b]: [u8; 3]) -> [u8; 3] {
        let (r, g, b) = (f32::from(r), f32::from(g), f32::from(b));
        let value = r.max(g).max(b);
        let chroma = value - r.min(g).min(b);
        let new_value = (value * self.value).min(255.0);
        if chroma == 0.0 {
            return [round(new_value); 3];
        }
        // Hue in sixths of the circle: 0 red, 2 green, 4 blue.
        let hue = if r >= g && r >= b {
            (g - b) / chroma
        } else if g >= b {
            (b - r) / chroma + 2.0
        } else {
            (r - g) / chroma + 4.0
        };
        let hue = if hue < 0.0 { hue + 6.0 } else { hue };
        let mut new_hue = hue * self.hue;
        if !(0.0..6.0).contains(&new_hue) {
            new_hue = new_hue.rem_euclid(6.0); // Rare, and a slow library call.
        }
        let new_chroma = new_value * (chroma / value * self.saturation).clamp(0.0, 1.0);
        // Closed form of HSV to RGB: each channel dips by the chroma over its own part of the circle.
        let channel = |offset: f32| {
            let ahead = offset + new_hue;
            let position = if ahead >= 6.0 { ahead - 6.0 } else { ahead };
            round(new_value - new_chroma * position.min(4.0 - position).clamp(0.0, 1.0))
        };
        [channel(5.0), channel(3.0), channel(1.0)]
    }
}

fn round(value: f32) -> u8 {
    // Truncation after adding one half: `f32::round` is a library call and ties do not matter here.
    (value + 0.5) as u8
}
