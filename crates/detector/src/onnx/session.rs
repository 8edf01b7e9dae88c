//! [`Session`]: an ONNX file opened by a runtime.

use std::error::Error;

use bonsai_checkpoint::Array;

/// An error of a runtime.
pub(crate) type RuntimeError = Box<dyn Error + Send + Sync>;

/// An ONNX file opened by a runtime.
pub(crate) trait Session: Send {
    /// Runs the file on `images` of the dimensions `[n, c, h, w]`; returns the one output selected on
    /// opening, as `f32`.
    fn run(&mut self, dims: [usize; 4], images: &[f32]) -> Result<Array, RuntimeError>;
}
