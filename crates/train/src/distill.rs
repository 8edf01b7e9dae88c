//! [`Distill`]: a closure of the caller that adds the loss against a teacher to the loss of a batch.

use bonsai_checkpoint::Array;
use bonsai_yolov8::{HeadOutput, LevelGradient};

/// The loss of the student's raw outputs against a teacher's outputs on the same images.
#[derive(Debug, Clone, PartialEq)]
pub struct Distilled {
    /// The loss, for the record; added to the total detection loss.
    pub loss: f32,
    /// Gradient of `loss` with respect to the student's raw outputs, by level; empty if `loss` does not
    /// depend on them.
    pub gradients: Vec<LevelGradient>,
    /// Gradients of `loss` with respect to the network outputs that are not the head's, in their order:
    /// features that the executor returns for a teacher. Missing entries count as zero.
    pub features: Vec<Array>,
}

/// The inputs of [`Distill`] for one batch.
#[derive(Debug, Clone, Copy)]
pub struct Student<'a> {
    /// The images `[n, 3, h, w]`.
    pub images: &'a Array,
    /// The student's raw outputs for the images.
    pub head: &'a HeadOutput<'a>,
    /// The network outputs that are not the head's, in their order.
    pub features: &'a [&'a Array],
    /// Sum of the soft labels in the detection loss; losses are divided by it.
    pub score_sum: f64,
}

/// Computes the loss against a teacher for one batch.
pub type Distill<'a> =
    dyn FnMut(&Student<'_>) -> Result<Distilled, Box<dyn std::error::Error + Send + Sync>> + 'a;
