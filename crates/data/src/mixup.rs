//! Blending two images (Zhang et al., mixup, 2018); both keep their objects.

use image::RgbImage;
use rand::Rng;
use rand_distr::{Beta, Distribution as _};

/// Both parameters of the beta distribution that the share is drawn from: close to one half.
const ALPHA: f64 = 32.0;

/// Draws the share of the first image.
pub(crate) fn draw_share(rng: &mut impl Rng) -> f64 {
    // The parameters are valid; one half is the mean.
    Beta::new(ALPHA, ALPHA).map_or(0.5, |beta| beta.sample(rng))
}

/// `image = share image + (1 - share) other`, cut to whole levels.
///
/// # Panics
/// Where the images differ in size.
pub fn mixup(image: &mut RgbImage, other: &RgbImage, share: f64) {
    assert_eq!(image.dimensions(), other.dimensions(), "images to blend are of one size");
    let (share, rest) = (share as f32, 1.0 - share as f32);
    for (value, other) in image.iter_mut().zip(other.iter()) {
        *value = (f32::from(*value) * share + f32::from(*other) * rest) as u8;
    }
}
