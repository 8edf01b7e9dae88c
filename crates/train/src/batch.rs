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
    /// What the images are called, such as their paths, for the message of a training that diverges; may be empty.
    pub names: Vec<String>,
}

/// A batch, or why there is none.
pub type BatchResult = Result<Batch, Box<dyn std::error::Error + Send + Sync>>;

/// Batches by epoch. The same epoch must give the same batches, or a resumed training differs.
pub trait BatchSource {
    /// Batches in an epoch.
    fn batches(&self) -> usize;

    /// The batches of one epoch from `first` on; both are counted from 0.
    ///
    /// Batch `first` is the same one whether those before it are asked for or not. There is none left where `first` is
    /// [`BatchSource::batches`]. A batch that cannot be had is an error, with which the training ends: one that is left out
    /// would change what is learned without a word.
    fn epoch(&mut self, epoch: usize, first: usize) -> Box<dyn Iterator<Item = BatchResult> + '_>;
}
