//! [`Batch`]: the input of a network, images as planes of floats with the objects on them.

use bonsai_boxes::Cxcywh;

use crate::LetterboxTransform;
use crate::planes::to_floats;

/// An object on one image of a batch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Target {
    /// Position of the image in the batch.
    pub image: usize,
    /// Index into the class names.
    pub class_id: usize,
    /// Box of the object, in fractions of the batch image.
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

/// A batch whose pixels are still bytes, as the workers produce it.
#[derive(Debug)]
pub(crate) struct ByteBatch {
    pub(crate) bytes: Vec<u8>,
    pub(crate) shape: [usize; 4],
    pub(crate) targets: Vec<Target>,
    pub(crate) samples: Vec<usize>,
    pub(crate) transforms: Vec<LetterboxTransform>,
}

impl ByteBatch {
    /// Converts the pixels to floats; also returns the byte buffer, so that another batch can reuse it.
    pub(crate) fn finish(self) -> (Batch, Vec<u8>) {
        let Self { bytes, shape, targets, samples, transforms } = self;
        (Batch { images: to_floats(&bytes), shape, targets, samples, transforms }, bytes)
    }
}
