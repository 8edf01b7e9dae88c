//! [`Activations`]: outputs of the layers of a network on training images.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use bonsai_checkpoint::{Array, Checkpoint};
use bonsai_data::{Epoch, Loader, Split};
use bonsai_exec::{Executor, Mode, build_executor};
use bonsai_graph::NodeId;

use crate::{Data, RunContext, validation_loader};

/// Runs a network in evaluation mode on batches of training images, without augmentation.
pub(super) struct Activations {
    executor: Box<dyn Executor>,
    loader: Loader,
    /// Number of the next batch, and the batches from there on.
    following: Option<(usize, Epoch)>,
}

impl Activations {
    /// At most `batches` batches of `batch` images, taken evenly from all training images, because files are
    /// often sorted by scene.
    ///
    /// `None` if there are too few images for two batches: one half of them is needed to decide how much of the
    /// fit to the other half is used.
    ///
    /// # Errors
    /// If the network cannot run.
    pub(super) fn new(
        network: &Checkpoint,
        data: &Data,
        context: &RunContext,
        (batches, batch): (usize, usize),
    ) -> Result<Option<Self>> {
        let all = &data.train.samples;
        let stride = (all.len() / (batches * batch)).max(1);
        let samples: Vec<_> = all.iter().step_by(stride).take(batches * batch).cloned().collect();
        let batch = batch.min(samples.len() / 2);
        if batch == 0 {
            return Ok(None);
        }
        let split = Arc::new(Split { samples, class_names: data.train.class_names.clone() });
        let loader = validation_loader(&split, context.imgsz, batch, &context.loader)?;
        let executor = build_executor(network.model.graph(), &network.weights, &context.executor)?;
        Ok(Some(Self { executor, loader, following: None }))
    }

    /// Number of batches.
    pub(super) fn batches(&self) -> usize {
        self.loader.batches()
    }

    /// Outputs of `layers` for one batch.
    pub(super) fn of(&mut self, layers: &[NodeId], batch: usize) -> Result<Vec<Array>> {
        let images = self.images(batch)?;
        self.executor.set_taps(layers);
        self.executor.forward(Mode::Eval, &images)?;
        layers.iter().map(|layer| Ok(self.executor.tap(*layer)?)).collect()
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
