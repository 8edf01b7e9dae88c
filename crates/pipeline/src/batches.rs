//! The loader's batches as the trainer wants them.

use bonsai_checkpoint::Array;
use bonsai_data::Loader;
use bonsai_train::{Batch, BatchSource};
use bonsai_yolov8::Target;

/// A loader as a source of training batches.
pub(crate) struct LoaderBatches(pub(crate) Loader);

impl BatchSource for LoaderBatches {
    fn batches(&self) -> usize {
        self.0.batches()
    }

    fn epoch(&mut self, epoch: usize, first: usize) -> Box<dyn Iterator<Item = Batch> + '_> {
        let split = self.0.split();
        Box::new(self.0.epoch_from(epoch as u64, first).map(move |batch| {
            Batch {
                images: Array::new(&batch.shape, batch.images),
                targets: batch
                    .targets
                    .iter()
                    .map(|t| Target { image: t.image, class_id: t.class_id, bbox: t.bbox })
                    .collect(),
                names: batch
                    .samples
                    .iter()
                    .map(|sample| split.samples[*sample].image_path.display().to_string())
                    .collect(),
            }
        }))
    }
}
