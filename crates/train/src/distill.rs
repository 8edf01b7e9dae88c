//! What a teacher adds to the loss of a batch, supplied by the caller.

use bonsai_checkpoint::Array;
use bonsai_yolov8::{HeadOutput, LevelGradient};

/// The loss of the student's raw outputs against a teacher's on the same images.
#[derive(Debug, Clone, PartialEq)]
pub struct Distilled {
    /// What it adds to the total of the detection loss, for the record.
    pub loss: f32,
    /// Gradient of `loss` by the student's raw outputs, by level; empty where it does not depend on them.
    pub gradients: Vec<LevelGradient>,
    /// Gradient of `loss` by the outputs of the executor's network that are not the head's, in their order: features that it
    /// hands out for a teacher. What is missing is zero.
    pub features: Vec<Array>,
}

/// What a teacher is given of a batch.
#[derive(Debug, Clone, Copy)]
pub struct Student<'a> {
    /// The images `[n, 3, h, w]`.
    pub images: &'a Array,
    /// The student's raw outputs on them.
    pub head: &'a HeadOutput<'a>,
    /// Outputs of the executor's network that are not the head's, in their order.
    pub features: &'a [&'a Array],
    /// Sum of soft labels of the detection loss, by which losses are divided.
    pub score_sum: f64,
}

/// Distils a batch.
pub type Distill<'a> =
    dyn FnMut(&Student<'_>) -> Result<Distilled, Box<dyn std::error::Error + Send + Sync>> + 'a;
