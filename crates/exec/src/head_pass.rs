//! [`HeadPass`]: a training step that leaves the outputs of a detection head on the device.
//!
//! The raw outputs of a head are large (at 640 px and 80 classes, a batch of 16 has 77 MB of them and as many of gradients), and a loss
//! needs most of them only in sums. So an executor on a device computes a few values of every anchor there, and fills in
//! the gradient that is the same function for all anchors. The caller decides what to do with the values.

use bonsai_checkpoint::Array;
use bonsai_graph::DetectHead;

use crate::ExecError;

/// A few values of all anchors of a batch. Anchors are counted by level, then row by row.
#[derive(Debug, Clone, PartialEq)]
pub struct HeadSummary {
    /// `[n, anchors, 4]`: the expected bin of the left, top, right and bottom distance, in cells.
    pub distances: Vec<f32>,
    /// `[columns, anchors]`: the class logits of the requested images and classes.
    pub logits: Vec<f32>,
    /// Sum of ln(1 + e^x) over all class logits x of the batch.
    pub softplus: f64,
}

/// The gradient at the outputs of a head.
#[derive(Debug, Clone, Copy)]
pub struct HeadGradient<'a> {
    /// The gradient of every class logit x is this factor times sigmoid(x), plus its term in `class_terms`.
    pub class_scale: f32,
    /// Image and number of some anchors, each at most once.
    pub anchors: &'a [[usize; 2]],
    /// For each of these anchors, a class and the term of its logit.
    pub class_terms: &'a [(usize, f32)],
    /// `[anchors, 4 * reg_max]`: the gradient of the box logits of these anchors; that of all others is 0.
    pub box_logits: &'a [f32],
}

/// A training step: one forward call, any number of reads, one backward call.
pub trait HeadPass {
    /// Runs the network on `images` `[n, c, h, w]` in training mode, and summarises the outputs of `head`. `columns` are
    /// the image and the class of each column of class logits.
    ///
    /// # Errors
    /// As [`Executor::forward`](crate::Executor::forward); [`ExecError::Head`] if the network has no such head, or the
    /// batch no such column.
    fn forward_head(
        &mut self,
        images: &Array,
        head: &DetectHead,
        columns: &[[usize; 2]],
    ) -> Result<HeadSummary, ExecError>;

    /// The box logits `[anchors, 4 * reg_max]` of these anchors (image and number) in the last pass.
    ///
    /// # Errors
    /// [`ExecError::NoForward`] without a pass before it, [`ExecError::Head`] if there is no such anchor.
    fn box_logits(&mut self, anchors: &[[usize; 2]]) -> Result<Vec<f32>, ExecError>;

    /// Adds the gradients of the parameters to the gradient buffer. Outputs that are not the head's have no gradient.
    /// Consumes the values of the pass.
    ///
    /// # Errors
    /// [`ExecError::NoForward`] without a pass before it, [`ExecError::Head`] if the gradient does not fit the head.
    fn backward_head(&mut self, gradient: &HeadGradient<'_>) -> Result<(), ExecError>;
}
