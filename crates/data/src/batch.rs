//! What a network eats: images as planes of floats, and the objects on them.

use bonsai_boxes::Cxcywh;
use image::RgbImage;

use crate::LetterboxTransform;

/// An object on one image of a batch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Target {
    /// Position of the image in the batch.
    pub image: usize,
    /// Index into the class names.
    pub class_id: usize,
    /// Where, in fractions of the batch image.
    pub bbox: Cxcywh,
}

/// Some images of a split, ready for a network.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// Pixels in 0..=1, RGB, in the order batch, channel, row, column.
    pub images: Vec<f32>,
    /// `[n, 3, h, w]`.
    pub shape: [usize; 4],
    /// The objects, in the order of the images.
    pub targets: Vec<Target>,
    /// Index of each image in [`Split::samples`](crate::Split::samples).
    pub samples: Vec<usize>,
    /// How each image was fitted into the canvas, before augmentation:
    /// maps detections back to the file only where the batch is not augmented.
    pub transforms: Vec<LetterboxTransform>,
}

/// Writes an image as three planes of 0..=1.
///
/// # Shapes
/// `image` `h x w`, `planes` `[3, h, w]`.
///
/// # Panics
/// Where `planes` does not hold `3 * h * w` values.
pub fn write_planes(image: &RgbImage, planes: &mut [f32]) {
    let pixels = image.as_chunks::<3>().0;
    assert_eq!(planes.len(), 3 * pixels.len(), "three planes of the image's size");
    let (red, rest) = planes.split_at_mut(pixels.len());
    let (green, blue) = rest.split_at_mut(pixels.len());
    for (((pixel, r), g), b) in pixels.iter().zip(red).zip(green).zip(blue) {
        *r = f32::from(pixel[0]) / 255.0;
        *g = f32::from(pixel[1]) / 255.0;
        *b = f32::from(pixel[2]) / 255.0;
    }
}
