//! Gradients by the raw outputs of a head, level by level.
//!
//! Idea: a loss writes the gradient where its own planes lie, and images are independent, so every image gets
//! its planes of all levels for itself. What is here knows no loss.

use crate::head::HeadOutput;

/// Gradient of a total by the raw outputs of a level, in the same NCHW layout.
#[derive(Debug, Clone, PartialEq)]
pub struct LevelGradient {
    /// `[n, 4 * reg_max, h, w]`.
    pub box_logits: Vec<f32>,
    /// `[n, num_classes, h, w]`.
    pub cls_logits: Vec<f32>,
}

/// One image's part of the gradient at a level.
pub(crate) struct ImagePlanes<'a> {
    /// `[4 * reg_max, h, w]`.
    pub(crate) box_logits: &'a mut [f32],
    /// `[num_classes, h, w]`.
    pub(crate) cls_logits: &'a mut [f32],
}

/// A gradient of zeros by every output of the head.
pub(crate) fn zero_gradients(head: &HeadOutput) -> Vec<LevelGradient> {
    let zeros = |channels: usize, cells: usize| vec![0.0f32; head.batch() * channels * cells];
    head.levels()
        .iter()
        .map(|l| LevelGradient {
            box_logits: zeros(4 * head.reg_max(), l.cells()),
            cls_logits: zeros(head.num_classes(), l.cells()),
        })
        .collect()
}

/// Cuts the gradient into the parts of the images, each with all levels.
pub(crate) fn planes_by_image<'a>(
    head: &HeadOutput,
    gradients: &'a mut [LevelGradient],
) -> Vec<Vec<ImagePlanes<'a>>> {
    let mut images: Vec<Vec<ImagePlanes>> =
        (0..head.batch()).map(|_| Vec::with_capacity(gradients.len())).collect();
    for (gradient, level) in gradients.iter_mut().zip(head.levels()) {
        let boxes = gradient.box_logits.chunks_exact_mut(4 * head.reg_max() * level.cells());
        let classes = gradient.cls_logits.chunks_exact_mut(head.num_classes() * level.cells());
        for ((box_logits, cls_logits), image) in boxes.zip(classes).zip(&mut images) {
            image.push(ImagePlanes { box_logits, cls_logits });
        }
    }
    images
}
