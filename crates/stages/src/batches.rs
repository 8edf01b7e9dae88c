//! [`LoaderBatches`]: a loader's batches in the trainer's format.

use bonsai_checkpoint::Array;
use bonsai_data::Loader;
use bonsai_train::{Batch, BatchResult, BatchSource};
use bonsai_yolov8::Target;

/// A loader as a source of training batches.
pub(crate) struct LoaderBatches<'a> {
    pub(crate) loader: Loader,
    /// Called with every batch before the trainer gets it, with the epoch and the batch number, both from 0.
    pub(crate) tap: &'a mut dyn FnMut(usize, usize, &bonsai_data::Batch),
}

impl BatchSource for LoaderBatches<'_> {
    fn batches(&self) -> usize {
        self.loader.batches()
    }

    fn epoch(&mut self, epoch: usize, first: usize) -> Box<dyn Iterator<Item = BatchResult> + '_> {
        let loader = &self.loader;
        let tap = &mut self.tap;
        let batches = loader.epoch_from(epoch as u64, first).enumerate();
        Box::new(batches.map(move |(number, batch)| {
            let batch = batch?;
            tap(epoch, first + number, &batch);
            let name = |sample: &usize| loader.split().samples[*sample].image_path.display().to_string();
            Ok(Batch {
                targets: targets(&batch),
                names: batch.samples.iter().map(name).collect(),
                images: Array::new(&batch.shape, batch.images),
            })
        }))
    }
}

/// The objects of a batch in the format of the loss.
pub(crate) fn targets(batch: &bonsai_data::Batch) -> Vec<Target> {
    let target = |t: &bonsai_data::Target| Target { image: t.image, class_id: t.class_id, bbox: t.bbox };
    batch.targets.iter().map(target).collect()
}
