//! [`fitting_batch`]: the largest batch that fits the memory, for `batch = -1`.

use anyhow::{Context as _, Result};
use bonsai_exec::Device;
use bonsai_graph::Graph;
use bonsai_train::TrainConfig;

use crate::memory_need::check_training;
use crate::{RunContext, ensure_usage};

/// The largest batch that [`check_training`] accepts, at most the images of an optimiser step ([`TrainConfig::nbs`]) and
/// of the dataset, and a line that says why it is no larger. `images` are the numbers of images for training and for
/// validation.
///
/// Larger batches than `nbs` would leave fewer steps in an epoch.
///
/// # Errors
/// If the memory of the device is not known, or not even one image fits.
pub fn fitting_batch(
    graph: &Graph,
    config: &TrainConfig,
    context: &RunContext,
    images: [usize; 2],
) -> Result<(usize, String)> {
    ensure_usage!(
        context.executor.device == Device::Cpu,
        "batch is -1, but Bonsai does not count the memory of a GPU: give `batch` a number"
    );
    let budget = context.executor.budget;
    let budget =
        budget.context("batch is -1, but the memory of this machine is not known: give `batch` a number")?;
    let check = |batch| check_training(graph, &TrainConfig { batch, ..config.clone() }, context, images);
    check(1)?;
    let most = config.nbs.min(images[0]).max(1);
    let mib = budget.bytes >> 20;
    if check(most).is_ok() {
        let why =
            if most == config.nbs { "as many as an optimiser step has (nbs)" } else { "all training images" };
        return Ok((most, format!("batch -1: {most} images at a time, {why}; {mib} MiB hold them")));
    }
    // `fits` fits, `exceeds` does not.
    let (mut fits, mut exceeds) = (1, most);
    while exceeds - fits > 1 {
        let middle = fits.midpoint(exceeds);
        if check(middle).is_ok() { fits = middle } else { exceeds = middle }
    }
    Ok((fits, format!("batch -1: {fits} images at a time, the most that fit into {mib} MiB of memory")))
}
