//! [`Ranks`]: what the processes of a data-parallel training exchange.
//!
//! Every rank trains the same parameters on its part of every batch. Before an optimiser step, the gradients are summed,
//! because the loss of a batch is a sum over its images; so the parameters stay equal. Running statistics of batch norm
//! differ, and are averaged after every epoch.

use std::hash::{DefaultHasher, Hasher as _};

use bonsai_checkpoint::{TrainProgress, Weights};
use bonsai_collective::{Collective, CollectiveError};
use bonsai_exec::{Buffer, Executor};

use crate::{Evaluation, MeanLosses, TrainError};

/// The ranks, or none if the training has one process.
pub(crate) struct Ranks<'a>(pub(crate) Option<&'a mut dyn Collective>);

/// An error of the ranks at this point of the training.
fn failed(progress: &TrainProgress) -> impl Fn(CollectiveError) -> TrainError {
    let (epoch, batch) = (progress.epoch, progress.batch);
    move |source| TrainError::Ranks { epoch: epoch + 1, batch, good_epoch: epoch, source }
}

impl Ranks<'_> {
    /// Sums the accumulated gradients over the ranks.
    pub(crate) fn sum_gradients(
        &mut self,
        executor: &mut dyn Executor,
        progress: &TrainProgress,
    ) -> Result<(), TrainError> {
        let Some(ranks) = &mut self.0 else { return Ok(()) };
        let mut summed = Ok(());
        executor
            .exchange_gradients(&mut |gradients| summed = ranks.sum(gradients))
            .map_err(|e| TrainError::exec(progress.epoch + 1, progress.batch + 1, e))?;
        summed.map_err(failed(progress))
    }

    /// Whether there are other processes.
    pub(crate) fn are_several(&self) -> bool {
        self.0.as_ref().is_some_and(|ranks| ranks.world() > 1)
    }

    /// Whether a flag is set in any rank.
    pub(crate) fn any(&mut self, flag: bool, progress: &TrainProgress) -> Result<bool, TrainError> {
        match &mut self.0 {
            Some(ranks) => ranks.any(flag).map_err(failed(progress)),
            None => Ok(flag),
        }
    }

    /// The means of these values over the ranks.
    pub(crate) fn mean<const N: usize>(
        &mut self,
        values: [f64; N],
        progress: &TrainProgress,
    ) -> Result<[f64; N], TrainError> {
        let Some(ranks) = &mut self.0 else { return Ok(values) };
        let mut sums = values.map(|value| value as f32);
        ranks.sum(&mut sums).map_err(failed(progress))?;
        Ok(sums.map(|sum| f64::from(sum) / ranks.world() as f64))
    }

    /// Averages the running statistics of batch norm, and their averages over the training, over the ranks.
    pub(crate) fn average_statistics(
        &mut self,
        executor: &mut dyn Executor,
        progress: &TrainProgress,
    ) -> Result<(), TrainError> {
        let Some(ranks) = &mut self.0 else { return Ok(()) };
        let exec = |e| TrainError::exec(progress.epoch, 0, e);
        let specs = executor.graph().params();
        let statistics: Vec<&str> =
            specs.iter().filter(|spec| !spec.role.is_trained()).map(|spec| spec.name.as_str()).collect();
        for buffer in [Buffer::Params, Buffer::Ema] {
            let mut weights: Weights = executor.read(buffer).map_err(exec)?;
            for name in &statistics {
                if let Some(array) = weights.get_mut(name) {
                    ranks.sum(array.data_mut()).map_err(failed(progress))?;
                    let world = ranks.world() as f32;
                    array.data_mut().iter_mut().for_each(|value| *value /= world);
                }
            }
            executor.write(buffer, &weights).map_err(exec)?;
        }
        Ok(())
    }

    /// Checks that every parameter has the same bits in all ranks.
    pub(crate) fn check_parameters(
        &mut self,
        executor: &dyn Executor,
        progress: &TrainProgress,
    ) -> Result<(), TrainError> {
        let Some(ranks) = &mut self.0 else { return Ok(()) };
        let weights = executor.read(Buffer::Params).map_err(|e| TrainError::exec(progress.epoch, 0, e))?;
        for (name, array) in weights.iter() {
            let mut hasher = DefaultHasher::new();
            array.data().iter().for_each(|value| hasher.write_u32(value.to_bits()));
            ranks.check_equal(&format!("parameter `{name}`"), hasher.finish()).map_err(failed(progress))?;
        }
        Ok(())
    }

    /// The evaluation that the first rank makes.
    pub(crate) fn of_first(
        &mut self,
        progress: &TrainProgress,
        evaluate: impl FnOnce() -> Result<Evaluation, TrainError>,
    ) -> Result<Evaluation, TrainError> {
        let Some(ranks) = &mut self.0 else { return evaluate() };
        let mut bytes = [0; 8 * VALUES];
        if ranks.rank() == 0 {
            for (bytes, value) in bytes.chunks_exact_mut(8).zip(to_values(&evaluate()?)) {
                bytes.copy_from_slice(&value.to_le_bytes());
            }
        }
        ranks.broadcast(&mut bytes, 0).map_err(failed(progress))?;
        let mut values = [0.0; VALUES];
        for (value, bytes) in values.iter_mut().zip(bytes.as_chunks().0) {
            *value = f64::from_le_bytes(*bytes);
        }
        Ok(from_values(values))
    }
}

/// Numbers of an evaluation: four metrics, whether it has losses, and three losses.
const VALUES: usize = 8;

fn to_values(evaluation: &Evaluation) -> [f64; VALUES] {
    let Evaluation { map50, map50_95, precision, recall, losses } = *evaluation;
    let MeanLosses { bbox, cls, dfl } = losses.unwrap_or_default();
    [map50, map50_95, precision, recall, f64::from(u8::from(losses.is_some())), bbox, cls, dfl]
}

fn from_values(
    [map50, map50_95, precision, recall, has_losses, bbox, cls, dfl]: [f64; VALUES],
) -> Evaluation {
    let losses = (has_losses > 0.0).then_some(MeanLosses { bbox, cls, dfl });
    Evaluation { map50, map50_95, precision, recall, losses }
}
