//! [`Activations`]: outputs of the layers of a network on training images; the images and passes of pruning.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use bonsai_checkpoint::{Array, Checkpoint};
use bonsai_data::{Epoch, Loader, Split};
use bonsai_exec::{ExecError, Executor, ExecutorOptions, Mode, build_executor};
use bonsai_graph::NodeId;

use crate::{Data, RunContext, validation_loader};

/// Runs a network in evaluation mode on batches of training images, without augmentation.
pub(super) struct Activations<'a> {
    network: &'a Checkpoint,
    options: ExecutorOptions,
    /// `None` between passes over the images: an executor keeps memory for every set of layers that it has
    /// returned, and for the trainings of trials it would only be in the way.
    executor: Option<Box<dyn Executor>>,
    loader: Loader,
    /// Number of the next batch, and the batches from there on.
    following: Option<(usize, Epoch)>,
}

impl<'a> Activations<'a> {
    /// At most `batches` batches of `batch` images, taken evenly from all training images.
    ///
    /// `None` if there are too few images for two batches: one half of them is needed to decide how much of the
    /// fit to the other half is used.
    ///
    /// # Errors
    /// If the settings of the loader are out of range.
    pub(super) fn new(
        network: &'a Checkpoint,
        data: &Data,
        context: &RunContext,
        (batches, batch): (usize, usize),
    ) -> Result<Option<Self>> {
        let split = evenly(&data.train, batches * batch);
        let batch = batch.min(split.samples.len() / 2);
        if batch == 0 {
            return Ok(None);
        }
        let loader = validation_loader(&split, context.imgsz, batch, &context.loader)?;
        Ok(Some(Self { network, options: context.executor, executor: None, loader, following: None }))
    }

    /// Number of batches.
    pub(super) fn batches(&self) -> usize {
        self.loader.batches()
    }

    /// Outputs of `layers` for one batch.
    pub(super) fn of(&mut self, layers: &[NodeId], batch: usize) -> Result<Vec<Array>> {
        let images = self.images(batch)?;
        let mut executor = match self.executor.take() {
            Some(executor) => executor,
            None => build_executor(self.network.model.graph(), &self.network.weights, &self.options)?,
        };
        executor.set_taps(layers);
        forward(&mut *executor, Mode::Eval, &images)?;
        let outputs = layers.iter().map(|layer| Ok(executor.tap(*layer)?)).collect();
        let is_last = batch + 1 == self.batches();
        self.executor = Some(executor).filter(|_| !is_last);
        outputs
    }

    fn images(&mut self, batch: usize) -> Result<Array> {
        let mut epoch = match self.following.take() {
            Some((next, epoch)) if next == batch => epoch,
            _ => self.loader.epoch_from(0, batch),
        };
        let images =
            epoch.next().with_context(|| format!("there is no batch {batch} of {}", self.batches()))??;
        self.following = Some((batch + 1, epoch));
        Ok(Array::new(&images.shape, images.images))
    }
}

/// Runs a batch of pruning, whose size is a setting of its own.
pub(super) fn forward(executor: &mut dyn Executor, mode: Mode, images: &Array) -> Result<Vec<Array>> {
    executor.forward(mode, images).map_err(|error| {
        let is_memory = matches!(error, ExecError::Memory { .. });
        let error = anyhow::Error::from(error);
        if is_memory {
            error
                .context("pruning runs batches of `extras.batch` images, not of `--batch`: set a smaller one")
        } else {
            error
        }
    })
}

/// `wanted` images of a split at equal distances, or all if it has fewer: files are often sorted by scene or by
/// class.
pub(super) fn evenly(split: &Split, wanted: usize) -> Arc<Split> {
    let samples = indices(split.samples.len(), wanted).map(|index| split.samples[index].clone()).collect();
    Arc::new(Split { samples, class_names: split.class_names.clone() })
}

fn indices(len: usize, wanted: usize) -> impl Iterator<Item = usize> {
    let wanted = wanted.min(len);
    (0..wanted).map(move |index| index * len / wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_taken_from_the_whole_range() {
        assert_eq!(indices(5, 8).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
        assert_eq!(indices(8, 5).collect::<Vec<_>>(), [0, 1, 3, 4, 6]);
        assert_eq!(indices(0, 5).count(), 0);
        let many: Vec<usize> = indices(500, 256).collect();
        assert_eq!(many.len(), 256);
        assert!(many.windows(2).all(|pair| (1..=2).contains(&(pair[1] - pair[0]))));
        assert_eq!(many[255], 498);
    }
}
