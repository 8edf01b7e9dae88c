//! [`settle`]: the numbers that stand for settings which a training chooses itself, so that it resumes with the same.

use anyhow::Result;
use bonsai_graph::Graph;
use bonsai_stages::{Data, RunContext, ensure_usage, fitting_batch};
use bonsai_train::TrainConfig;

use super::TrainRunConfig;
use crate::Progress;

/// The arguments of a new training of this network with every choice made.
///
/// # Errors
/// As [`fitting_batch`], if the batch is to fit the memory.
pub(super) fn settle(
    args: &TrainRunConfig,
    graph: &Graph,
    data: &Data,
    context: &RunContext,
    progress: &mut dyn Progress,
) -> Result<TrainRunConfig> {
    let mut settled = args.clone();
    if settled.train.batch == TrainConfig::FITTING_BATCH {
        ensure_usage!(
            settled.teacher.is_none(),
            "batch is -1, but Bonsai does not count the memory of a teacher: give `batch` a number"
        );
        ensure_usage!(
            context.ranks.is_none(),
            "batch is -1, but Bonsai does not count the memory of several processes: give `batch` a number"
        );
        let (batch, line) = fitting_batch(graph, &settled.train, context, data.trained_and_evaluated())?;
        progress.note(&line);
        settled.train.batch = batch;
    }
    // After the batch, which decides the number of steps.
    let images = data.train.samples.len();
    if let Some((named, line)) = settled.train.with_named_optimizer(images, data.class_names.len()) {
        progress.note(&line);
        settled.train = named;
    }
    Ok(settled)
}
