//! [`mixup`]: blends two images and keeps the objects of both (Zhang et al., mixup, 2018).

use image::RgbImage;
use rand::Rng;
use rand_distr::{Beta, Distribution as _};

/// Both parameters of the beta distribution of the weight: draws are close to one half.
const ALPHA: f64 = 32.0;

/// Draws the weight of the first image.
pub(crate) fn draw_share(rng: &mut impl Rng) -> f64 {
    // The parameters are valid; one half is the mean.
    Beta::new(ALPHA, ALPHA).map_or(0.5, |beta| beta.sample(rng))
}

/// `image = share image + (1 - share) other`, rounded down to whole levels.
///
/// # Panics
/// If the images differ in size.
pub fn mixup(image: &mut RgbImage, other: &RgbImage, share: f64) {
    assert_eq!(image.dimensions(), other.dimensions(), "images to blend must have the same size");
    let (share, rest) = (share as f32, 1.0 - share as f32);
    for (value, other) in image.iter_mut().zip(other.iter()) {
        *value = (f32::from(*value) * share + f32::from(*other) * rest) as u8;
    }
}
