//! [`flip_horizontal`] and [`flip_vertical`]: mirror an image and its labels.

use image::{RgbImage, imageops};

use crate::Label;

/// Mirrors an image and its labels left to right.
pub fn flip_horizontal(image: &mut RgbImage, labels: &mut [Label]) {
    imageops::flip_horizontal_in_place(image);
    for label in labels {
        label.bbox.cx = 1.0 - label.bbox.cx;
    }
}

/// Mirrors an image and its labels top to bottom.
pub fn flip_vertical(image: &mut RgbImage, labels: &mut [Label]) {
    imageops::flip_vertical_in_place(image);
    for label in labels {
        label.bbox.cy = 1.0 - label.bbox.cy;
    }
}
