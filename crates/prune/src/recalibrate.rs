//! Measuring the running statistics of batch norm anew, after pruning and before fine-tuning.
//!
//! Removed channels change the mean and variance of what the layers behind them see; the running statistics
//! are still those of the whole network. Weights stay as they are; running the network is the caller's
//! business.

use bonsai_checkpoint::{Checkpoint, Weights};
use bonsai_graph::{Op, ParamRole};

use crate::param::checked;
use crate::{BoxError, PruneError};

/// Runs one batch in training mode: gets the network and the batch's number, gives its weights back with the
/// running statistics that the batch left.
pub type MeasureStatistics<'a> = dyn FnMut(&Checkpoint, usize) -> Result<Weights, BoxError> + 'a;

/// `model` with running means and variances that are the averages over `batches` batches of the batches' own.
///
/// The network that `statistics` gets has the momentum of every batch norm set to 1, so that after a forward
/// in training mode its running statistics are the batch's, and nothing of the old ones remains. Averages are
/// taken in `f64`. The result has the original momentum, and no training state.
///
/// # Errors
/// [`PruneError::Policy`] for no batches, [`PruneError::Service`] if a batch fails,
/// [`PruneError::Checkpoint`] if a statistic is missing or misshaped, [`PruneError::NotFinite`] if one is no
/// number.
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
            for (channel, (sum, value)) in sum.iter_mut().zip(&array.data).enumerate() {
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
        array.data = sum.into_iter().map(|s| (s / batches as f64) as f32).collect();
    }
    Ok(recalibrated)
}
