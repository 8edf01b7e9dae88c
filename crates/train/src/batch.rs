//! [`Batch`] and [`BatchSource`]: images with their objects for the trainer.

use bonsai_checkpoint::Array;
use bonsai_yolov8::Target;

/// Images with their objects.
#[derive(Debug, Clone)]
pub struct Batch {
    /// `[n, 3, h, w]`, RGB, 0..=1.
    pub images: Array,
    /// Objects, as fractions of the batch image.
    pub targets: Vec<Target>,
    /// Names of the images, such as their paths, for the message of a training that diverges; may be empty.
    pub names: Vec<String>,
}

/// A batch, or the reason why it cannot be made.
pub type BatchResult = Result<Batch, Box<dyn std::error::Error + Send + Sync>>;

/// Batches of each epoch. The same epoch must give the same batches, otherwise a resumed training differs.
pub trait BatchSource {
    /// Number of batches in an epoch.
    fn batches(&self) -> usize;

    /// The batches of one epoch from `first` on; both are counted from 0.
    ///
    /// Batch `first` must be the same whether the batches before it are requested or not. The iterator is
    /// empty if `first` equals [`BatchSource::batches`]. If a batch cannot be made, the iterator returns an
    /// error and the training ends: skipping the batch would silently change the result.
    fn epoch(&mut self, epoch: usize, first: usize) -> Box<dyn Iterator<Item = BatchResult> + '_>;
}
