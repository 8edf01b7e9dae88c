//! What a teacher adds to the loss of a batch, supplied by the caller.

use bonsai_checkpoint::Array;
use bonsai_yolov8::{HeadOutput, LevelGradient};

/// The loss of the student's raw outputs against a teacher's on the same images.
#[derive(Debug, Clone, PartialEq)]
pub struct Distilled {
    /// What it adds to the total of the detection loss, for the record.
    pub loss: f32,
    /// Gradient of `loss` by the student's raw outputs, by level.
    pub gradients: Vec<LevelGradient>,
}

/// Distils a batch: is given its images `[n, 3, h, w]`, the student's raw outputs on them, and the sum of soft labels of
/// the detection loss, by which losses are divided.
pub type Distill<'a> = dyn FnMut(&Array, &HeadOutput<'_>, f64) -> Result<Distilled, Box<dyn std::error::Error + Send + Sync>>
    + 'a;
