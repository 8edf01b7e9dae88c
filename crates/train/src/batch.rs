//! What the trainer eats.

use bonsai_checkpoint::Array;
use bonsai_yolov8::Target;

/// Images with their objects.
#[derive(Debug, Clone)]
pub struct Batch {
    /// `[n, 3, h, w]`, RGB, 0..=1.
    pub images: Array,
    /// Objects, as fractions of the batch image.
    pub targets: Vec<Target>,
}

/// Batches by epoch. The same epoch must give the same batches, or a resumed training differs.
pub trait BatchSource {
    /// Batches in an epoch.
    fn batches(&self) -> usize;

    /// The batches of one epoch, counted from 0.
    fn epoch(&mut self, epoch: usize) -> Box<dyn Iterator<Item = Batch> + '_>;
}
