//! Running statistics measured anew: after pruning every layer sees other inputs than those its batch norm remembers.

use bonsai_checkpoint::{Array, Checkpoint, Weights};
use bonsai_graph::{Graph, Op, ParamRole};

use crate::param::checked;
use crate::{BoxError, PruneError};

/// What runs a network in training mode on a batch and gives back its weights, running statistics included.
///
/// It is given a network whose batch norms have momentum 1, so that the statistics afterwards are those of the batch.
pub type BatchStatistics<'a> = dyn FnMut(&Checkpoint, usize) -> Result<Weights, BoxError> + 'a;

/// `model` with running means and variances that are the means of those of `batches` batches.
///
/// # Errors
/// [`PruneError::Service`] with what `statistics` reports; [`PruneError::Checkpoint`] if it gives other weights;
/// [`PruneError::Policy`] for no batches.
pub fn recalibrate(
    model: &Checkpoint,
    batches: usize,
    statistics: &mut BatchStatistics<'_>,
) -> Result<Checkpoint, PruneError> {
    if batches == 0 {
        let (field, got) = ("recalibrate", "0 batches".to_owned());
        return Err(PruneError::Policy { field, got, expected: "at least 1" });
    }
    let graph = model.model.graph();
    let forgetful = forgetful(graph)?;
    let forgetful = Checkpoint::new(model.model.with_graph(forgetful)?, model.weights.clone())?;
    let specs = graph.params().into_iter().filter(|s| matches!(s.role, ParamRole::BnMean | ParamRole::BnVar));
    let mut sums: Vec<_> = specs.map(|spec| (vec![0.0f64; spec.len()], spec)).collect();
    for batch in 0..batches {
        let task = || format!("measuring the statistics of batch {batch}");
        let found =
            statistics(&forgetful, batch).map_err(|source| PruneError::Service { task: task(), source })?;
        for (sum, spec) in &mut sums {
            sum.iter_mut().zip(&checked(&found, spec)?.data).for_each(|(s, v)| *s += f64::from(*v));
        }
    }
    let mut recalibrated = model.clone();
    recalibrated.train = None;
    for (sum, spec) in sums {
        let mean = sum.iter().map(|s| (s / batches as f64) as f32).collect();
        recalibrated.weights.insert(spec.name, Array::new(&spec.shape, mean));
    }
    Ok(recalibrated)
}

/// The network whose batch norms remember the last batch only.
fn forgetful(graph: &Graph) -> Result<Graph, PruneError> {
    Ok(graph.map_ops(|_, node| match *node.op() {
        Op::BatchNorm { eps, .. } => Op::BatchNorm { eps, momentum: 1.0 },
        Op::Input { .. }
        | Op::Conv2d { .. }
        | Op::Silu
        | Op::Add
        | Op::Concat
        | Op::Slice { .. }
        | Op::MaxPool { .. }
        | Op::Upsample { .. } => *node.op(),
    })?)
}
