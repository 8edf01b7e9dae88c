//! [`recalibrate`]: measures the running statistics of batch norms again, after pruning and before
//! fine-tuning.
//!
//! Removing channels changes the mean and variance of the inputs of later layers, but the running statistics
//! are still those of the original network. Weights do not change. A closure of the caller runs the network.

use bonsai_checkpoint::{Checkpoint, Weights};
use bonsai_graph::{Op, ParamRole};

use crate::param::checked;
use crate::{BoxError, PruneError};

/// Runs one batch in training mode: takes the network and the batch number, returns the network's weights
/// with the running statistics after that batch.
pub type MeasureStatistics<'a> = dyn FnMut(&Checkpoint, usize) -> Result<Weights, BoxError> + 'a;

/// Returns `model` with running means and variances that are averages of the statistics of `batches` batches.
///
/// The network passed to `statistics` has the momentum of every batch norm set to 1, so that after a forward
/// pass in training mode its running statistics are those of the batch alone. Averages are computed in `f64`.
/// The result has the original momentum and no training state.
///
/// # Errors
/// [`PruneError::Policy`] for zero batches, [`PruneError::Service`] if a batch fails,
/// [`PruneError::Checkpoint`] if a statistic is missing or has a wrong shape, [`PruneError::NotFinite`] if
/// one is not finite.
pub fn recalibrate(
    model: &Checkpoint,
    batches: usize,
    statistics: &mut MeasureStatistics<'_>,
) -> Result<Checkpoint, PruneError> {
    if batches == 0 {
        let field = "recalibration batches";
        let got = "0".to_owned();
        return Err(PruneError::Policy { field, got, expected: "at least 1" });
    }
    let graph = model.model.graph();
    let forgetful = graph.map_ops(|_, node| match *node.op() {
        Op::BatchNorm { eps, .. } => Op::BatchNorm { eps, momentum: 1.0 },
        op @ (Op::Input { .. }
        | Op::Conv2d { .. }
        | Op::Silu
        | Op::Add
        | Op::Concat
        | Op::Slice { .. }
        | Op::MaxPool { .. }
        | Op::Upsample { .. }) => op,
    })?;
    let measured = Checkpoint { model: model.model.with_graph(forgetful)?, ..model.deployed() };
    let is_statistic = |role| matches!(role, ParamRole::BnMean | ParamRole::BnVar);
    let specs: Vec<_> = graph.params().into_iter().filter(|s| is_statistic(s.role)).collect();
    let mut sums: Vec<Vec<f64>> = specs.iter().map(|spec| vec![0.0; spec.len()]).collect();
    for batch in 0..batches {
        let failed = |source| PruneError::Service { task: format!("recalibration batch {batch}"), source };
        let weights = statistics(&measured, batch).map_err(failed)?;
        for (spec, sum) in specs.iter().zip(&mut sums) {
            let array = checked(&weights, spec)?;
            for (channel, (sum, value)) in sum.iter_mut().zip(array.data()).enumerate() {
                if !value.is_finite() {
                    return Err(PruneError::NotFinite { param: spec.name.clone(), channel, value: *value });
                }
                *sum += f64::from(*value);
            }
        }
    }
    let mut recalibrated = model.deployed();
    for (spec, sum) in specs.iter().zip(sums) {
        let array = recalibrated.weights.require_mut(&spec.name)?;
        let means = sum.into_iter().map(|sum| (sum / batches as f64) as f32);
        array.data_mut().iter_mut().zip(means).for_each(|(value, mean)| *value = mean);
    }
    Ok(recalibrated)
}
