//! [`check_training`]: whether the memory is enough for a training, including its loader and its copies of
//! the parameters.

use anyhow::Result;
use bonsai_exec::{ExecutorKind, MemoryNeed, Mode, check_memory, memory_need};
use bonsai_graph::Graph;
use bonsai_train::{Optimizer, TrainConfig};

use crate::LoadingConfig;
use crate::RunContext;
use crate::ensure_usage;

/// A mosaic takes its other images from so many recent batches, but at most from so many images; see
/// `LoaderConfig::cache_bytes`.
const RECENT: (usize, usize) = (8, 1000);
/// The largest stride of a network: the step between the sizes of batches.
const STRIDE: usize = 32;
/// Copies of all parameters on the host: the first and the last checkpoint of a training, each with the raw
/// parameters, their moments and the average. The last copy is the second moment of optimisers other than SGD.
const COPIES: u64 = 9;

/// Refuses an executor that does not have the optimiser of a training.
///
/// # Errors
/// With both names, and what to set.
pub fn check_optimizer(optimizer: Optimizer, executor: ExecutorKind) -> Result<()> {
    // `auto` becomes one of the two that every executor has.
    let common = matches!(optimizer, Optimizer::Sgd | Optimizer::AdamW | Optimizer::Auto);
    ensure_usage!(
        executor != ExecutorKind::Cuda || common,
        "executor {executor} does not train with {optimizer}: set `optimizer` to SGD or AdamW, or `executor` to candle"
    );
    Ok(())
}

/// Refuses a training whose executor has not its optimiser, that several processes cannot share, or that needs more memory than its executor may use. `images`
/// are the numbers of images for training and for validation.
///
/// # Errors
/// [`ExecError::Memory`](bonsai_exec::ExecError::Memory) with the memory needed and the memory available; an
/// error if the image size does not fit the network.
pub fn check_training(
    graph: &Graph,
    config: &TrainConfig,
    context: &RunContext,
    images: [usize; 2],
) -> Result<()> {
    check_optimizer(config.optimizer, context.executor.chosen()?)?;
    context.check_shared(config.batch)?;
    let context = &context.shared();
    let batch = context.batch_of_rank(config.batch)?;
    let Some(budget) = context.executor.budget else { return Ok(()) };
    // The largest of all sizes, whose plan and memory the smaller ones share.
    let side = context.loader.largest_side(context.imgsz, STRIDE);
    // First the network alone, because planning takes too long for the sizes that this check refuses.
    check_memory(graph, Mode::Train, [batch, side, side], &context.executor)?;
    let evaluation = batch.div_ceil(2);
    let need = memory_need(graph, Mode::Train, [batch, side, side], &context.executor)?
        .and(memory_need(graph, Mode::Eval, [evaluation, context.imgsz, context.imgsz], &context.executor)?)
        .and(MemoryNeed::all_touched(parameters(graph).saturating_mul(COPIES)))
        .and(loader(&context.loader, side, batch, images[0], true))
        .and(loader(&context.loader, context.imgsz, evaluation, images[1], false));
    let what = format!("training on {batch} images of {side}x{side} pixels at a time");
    Ok(budget.check(&what, need)?)
}

/// Bytes of all parameters.
fn parameters(graph: &Graph) -> u64 {
    let values: u64 = graph.params().iter().map(|param| param.len() as u64).sum();
    values.saturating_mul(size_of::<f32>() as u64)
}

/// Memory for the pictures and batches of a loader over so many images; `combines` if it makes mosaics.
fn loader(settings: &LoadingConfig, side: usize, batch: usize, images: usize, combines: bool) -> MemoryNeed {
    let count = |images: usize| images as u64;
    let bytes = 3u64.saturating_mul(count(side)).saturating_mul(count(side));
    let all = bytes.saturating_mul(count(images));
    let ahead = settings.workers.saturating_mul(batch);
    let recent =
        if combines { (RECENT.0.saturating_mul(batch)).min(RECENT.1).saturating_add(ahead) } else { 0 };
    let kept = settings.cache_bytes.max(bytes.saturating_mul(count(recent))).min(all);
    // Each worker holds a finished batch and an unfinished picture (a mosaic is four times as large); the
    // trainer reads one more batch.
    let workers = count(settings.workers.saturating_add(1));
    let batches = workers.saturating_mul(bytes).saturating_mul(count(batch).saturating_add(5));
    MemoryNeed::all_touched(kept.saturating_add(batches))
}

#[cfg(test)]
mod tests {
    use bonsai_exec::{ExecutorOptions, MemoryBudget, MemoryLimit};
    use bonsai_yolov8::{Scale, build};

    use super::*;

    fn check(bytes: u64, batch: usize, images: [usize; 2]) -> Result<(), String> {
        let model = build(Scale::N, &["cell".to_owned()]).unwrap();
        let budget = Some(MemoryBudget { bytes, limit: MemoryLimit::Machine });
        let context = RunContext {
            ranks: None,
            imgsz: 320,
            seed: 0,
            executor: ExecutorOptions { budget, threads: 1, ..ExecutorOptions::default() },
            loader: LoadingConfig::default(),
            rect: false,
        };
        let config = TrainConfig { batch, ..TrainConfig::default() };
        check_training(model.graph(), &config, &context, images).map_err(|e| e.to_string())
    }

    #[test]
    fn a_training_is_refused_with_both_numbers_and_advice() {
        check(4 << 30, 8, [100, 20]).unwrap();
        let error = check(300 << 20, 8, [100, 20]).unwrap_err();
        for part in ["training on 8 images of 320x320", "300 MiB", "this machine", "--batch", "--imgsz"] {
            assert!(error.contains(part), "{part}: {error}");
        }
        check(1 << 30, 1, [100, 20]).unwrap();
        assert!(check(1 << 30, usize::MAX >> 8, [100, 20]).is_err());
    }

    #[test]
    fn pictures_that_are_kept_count() {
        let settings = LoadingConfig { workers: 2, cache_bytes: 1 << 40, ..LoadingConfig::default() };
        let kept = |images| loader(&settings, 100, 1, images, false).touched;
        assert_eq!(kept(1000) - kept(0), 1000 * 30_000);
        let none = LoadingConfig { cache_bytes: 0, ..settings };
        assert_eq!(loader(&none, 100, 1, 1000, true).touched - kept(0), 10 * 30_000);
    }
}
