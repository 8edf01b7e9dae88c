//! [`restore`] and [`snapshot`]: training state from a checkpoint into the executor, and back.

use bonsai_checkpoint::{Array, Checkpoint, TrainProgress, TrainState, Weights};
use bonsai_exec::{Buffer, Executor};

use crate::{Optimizer, TrainConfig, TrainError};

/// Writes the state of `start` into the executor, or its weights and a fresh state; returns the progress.
pub(crate) fn restore(
    start: &Checkpoint,
    config: &TrainConfig,
    executor: &mut dyn Executor,
) -> Result<TrainProgress, TrainError> {
    let exec = |source| TrainError::exec(0, 0, source);
    let Some(state) = &start.train else {
        executor.write(Buffer::Params, &start.weights).map_err(exec)?;
        executor.write(Buffer::Ema, &start.weights).map_err(exec)?;
        let momentum = executor.read(Buffer::Momentum).map_err(exec)?;
        let zeros: Weights = momentum.iter().map(|(n, a)| (n.to_owned(), Array::zeros(a.shape()))).collect();
        executor.write(Buffer::Momentum, &zeros).map_err(exec)?;
        if config.optimizer.method(1).keeps_second_moment() {
            executor.write(Buffer::SecondMoment, &zeros).map_err(exec)?;
        }
        return Ok(TrainProgress {
            seed: config.seed,
            optimizer: config.optimizer.recorded(),
            ..TrainProgress::default()
        });
    };
    let trained = match &state.progress.optimizer {
        Some(name) => name.parse()?,
        None if state.second_moment.is_some() => Optimizer::AdamW,
        None => Optimizer::Sgd,
    };
    if trained != config.optimizer {
        return Err(TrainError::Optimizer { trained, asked: config.optimizer });
    }
    executor.write(Buffer::Params, &state.raw).map_err(exec)?;
    if let Some(second) = &state.second_moment {
        executor.write(Buffer::SecondMoment, second).map_err(exec)?;
    }
    executor.write(Buffer::Momentum, &state.momentum).map_err(exec)?;
    executor.write(Buffer::Ema, &start.weights).map_err(exec)?;
    let mut progress = state.progress.clone();
    if progress.best_fitness.is_some() {
        // Older checkpoints do not store the best epoch; patience then counts from the current epoch.
        progress.best_epoch.get_or_insert(progress.epoch);
    }
    Ok(progress)
}

/// The averaged weights with the state that is needed to resume; model and metadata come from `start`.
///
/// Returns an error if a value is not finite: running statistics can diverge although all gradients are
/// finite.
pub(crate) fn snapshot(
    start: &Checkpoint,
    config: &TrainConfig,
    progress: &TrainProgress,
    executor: &dyn Executor,
) -> Result<Checkpoint, TrainError> {
    let exec = |source| TrainError::exec(progress.epoch, 0, source);
    let read = |buffer| finite(executor.read(buffer).map_err(exec)?, progress);
    let mut checkpoint = Checkpoint::new(start.model.clone(), read(Buffer::Ema)?)?;
    checkpoint.metadata.clone_from(&start.metadata);
    checkpoint.train = Some(TrainState {
        raw: read(Buffer::Params)?,
        momentum: read(Buffer::Momentum)?,
        second_moment: if config.optimizer.method(1).keeps_second_moment() {
            Some(read(Buffer::SecondMoment)?)
        } else {
            None
        },
        progress: progress.clone(),
    });
    Ok(checkpoint)
}

fn finite(weights: Weights, progress: &TrainProgress) -> Result<Weights, TrainError> {
    let Some((name, _)) = weights.iter().find(|(_, a)| !a.data().iter().all(|v| v.is_finite())) else {
        return Ok(weights);
    };
    let inside = usize::from(progress.batch > 0);
    Err(TrainError::Poisoned {
        name: name.to_owned(),
        epoch: progress.epoch + inside,
        batch: progress.batch,
        good_epoch: (progress.epoch + inside).saturating_sub(1),
    })
}
