//! [`train_stage`]: baseline, sparsity training, fine-tuning and distillation, by [`Objective`](crate::Objective).

use std::cell::RefCell;
use std::ops::ControlFlow;
use std::sync::Arc;

use anyhow::{Result, ensure};
use bonsai_checkpoint::Checkpoint;
use bonsai_collective::Collective;
use bonsai_data::{Batch, Loader, LoaderConfig, Part};
use bonsai_detector::Detector;
use bonsai_exec::{Executor, build_executor};
use bonsai_graph::Graph;
use bonsai_sparsity::{GammaStatistics, GammaSummary, L1Outcome, Travel};
use bonsai_train::{
    Distill, EpochRecord, EpochTiming, Evaluation, Observer, Penalty, PenaltyPlan, Services, StepRecord,
    Stopped, Student, TrainConfig, Trained, train,
};

use crate::batches::LoaderBatches;
use crate::calibrate::{Calibration, quantize_stage};
use crate::class_weights::{announce, class_weights};
use crate::evaluate::{EvalOptions, evaluate};
use crate::memory_need::check_training;
use crate::objective::Objective;
use crate::penalty::Penalised;
use crate::planned_l1::PlannedL1;
use crate::teacher::RunningTeacher;
use crate::training_job::send_job;
use crate::{Data, validation_loader_in};
use crate::{Progress, Ranks, RunContext, ensure_usage};

/// Observes a training, may save its checkpoints, and may end it.
pub trait TrainWatch {
    /// A line for the user.
    fn note(&mut self, text: &str);

    /// A batch is about to be trained on; epoch and batch number start at 0.
    fn batch(&mut self, _epoch: usize, _number: usize, _batch: &Batch) {}

    /// A batch was trained on. `Break` ends the training at the next optimiser step.
    fn step(&mut self, step: &StepRecord) -> ControlFlow<()>;

    /// An epoch ended; `last` is the checkpoint from which the training can resume.
    ///
    /// # Errors
    /// If the checkpoint cannot be saved; the training then ends.
    fn epoch(&mut self, record: &EpochRecord, timing: &EpochTiming, last: &Checkpoint) -> Result<()>;
}

impl TrainWatch for &mut dyn Progress {
    fn note(&mut self, text: &str) {
        (**self).note(text);
    }

    fn step(&mut self, step: &StepRecord) -> ControlFlow<()> {
        (**self).step(step);
        ControlFlow::Continue(())
    }

    fn epoch(&mut self, record: &EpochRecord, timing: &EpochTiming, _: &Checkpoint) -> Result<()> {
        (**self).epoch(record, timing);
        Ok(())
    }
}

/// Trains `start` on `data`, or resumes if `start` contains the state of a training. With [`RunContext::ranks`], the first
/// process sends the training to the others, which are in [`follow`](crate::follow).
///
/// # Errors
/// If the network's classes are not the dataset's in the same order; if the batch cannot be divided among the processes; if the
/// network, the loader, the evaluation or `watch` fails; if the training diverges; or if a process is lost.
pub fn train_stage(
    start: &Checkpoint,
    data: &Data,
    config: &TrainConfig,
    objective: Objective<'_>,
    context: &RunContext,
    watch: &mut dyn TrainWatch,
) -> Result<Trained> {
    // Labels are class numbers: in another order, each class would be trained on the output of a different
    // class.
    ensure!(
        start.model.class_names() == data.class_names,
        "the network's classes are {:?}, those of {} are {:?}: training needs the same classes in the same order",
        start.model.class_names(),
        data.yaml.display(),
        data.class_names
    );
    let config = named_config(config, data, context, watch);
    let mut start = start.clone();
    start.metadata.insert("imgsz".to_owned(), context.imgsz.to_string());
    check_training(start.model.graph(), &config, context, data.trained_and_evaluated())?;
    check_place(&start, context)?;
    let batch = context.batch_of_rank(config.batch)?;
    let stride = start.model.head().strides.iter().copied().max().unwrap_or(1);
    let loader = Loader::new(Arc::clone(&data.train), loader_config(&config, context, stride, batch))?;
    if let Some(ranks) = context.ranks.as_ref().filter(|ranks| ranks.is_first()) {
        let world = ranks.world();
        watch.note(&format!("{world} processes train together, each on {batch} images of a batch"));
        send_job(ranks, &start, &data.train, &config, objective, context)?;
    }
    let context = &context.shared();
    // With half a training batch, evaluation needs little memory compared to training.
    let evaluation = batch.div_ceil(2);
    let rect = context.rect.then_some(stride);
    let validation = validation_loader_in(&data.val, context.imgsz, evaluation, &context.loader, rect)?;
    let l1 = match objective {
        Objective::Sparsity(l1) => {
            Some(PlannedL1::new(l1, &config, loader.batches(), mosaic_epochs(&config, context))?)
        }
        Objective::Detection | Objective::Distillation(_) => None,
    };
    let mut teacher = match objective {
        Objective::Distillation(teacher) => {
            let largest = context.loader.largest_side(context.imgsz, stride);
            let size = [batch, largest, largest];
            Some(RunningTeacher::new(teacher, &start, size, context.executor)?)
        }
        Objective::Detection | Objective::Sparsity(_) => None,
    };
    if let Some(l1) = &l1 {
        watch.note(&l1.announcement());
        l1.warning().into_iter().for_each(|warning| watch.note(&format!("warning: {warning}")));
    }
    let graph = match objective {
        Objective::Distillation(teacher) => teacher.tapped(&start)?,
        Objective::Detection | Objective::Sparsity(_) => start.model.graph().clone(),
    };
    let mut executor = start_executor(&graph, &start, l1.as_ref(), context, watch)?;
    let class_weights = class_weights(&data.train, config.cls_pw);
    if let Some(weights) = &class_weights {
        watch.note(&announce(weights, &data.class_names));
    }
    let options = EvalOptions {
        gains: Some(config.gains),
        class_weights: class_weights.as_ref(),
        ..EvalOptions::default()
    };
    let mut evaluate = |checkpoint: &Checkpoint| {
        evaluate_epoch(checkpoint, &validation, &options, context)
            .map_err(anyhow::Error::into_boxed_dyn_error)
    };
    let penalty = |epoch: usize| l1.as_ref().map_or_else(Penalty::default, |l1| l1.penalty(epoch));
    let by_loss =
        |losses: &[f64]| l1.as_ref().map_or_else(|| Some(Penalty::default()), |l1| l1.penalty_after(losses));
    let watch = RefCell::new(watch);
    let mut tap = |epoch: usize, number: usize, batch: &Batch| watch.borrow_mut().batch(epoch, number, batch);
    let mut batches = LoaderBatches { loader, tap: &mut tap };
    let mut distill = teacher.as_mut().map(|teacher| move |student: &Student<'_>| teacher.distil(student));
    let mut choose = |checkpoint: &Checkpoint| {
        let coded = quantize_stage(checkpoint, &Calibration::default(), &data.train, context)
            .map_err(anyhow::Error::into_boxed_dyn_error)?;
        Ok(coded.quantization.unwrap_or_default())
    };
    let mut collective = context.ranks.as_ref().map(Ranks::collective);
    let services = Services {
        executor: &mut *executor,
        batches: &mut batches,
        evaluate: &mut evaluate,
        penalty: if l1.as_ref().is_some_and(PlannedL1::is_bounded) {
            PenaltyPlan::ByLoss(&by_loss)
        } else {
            PenaltyPlan::ByEpoch(&penalty)
        },
        distill: distill.as_mut().map(|distill| distill as &mut Distill<'_>),
        codes: Some(&mut choose),
        ranks: collective.as_deref_mut().map(|ranks| ranks as &mut dyn Collective),
        class_weights: class_weights.as_ref(),
        observer: &mut Watched(&watch),
    };
    let trained = train(&start, &config, services)?;
    if trained.stopped == Stopped::Penalty {
        watch.borrow_mut().note(&format!(
            "warning: training ended after {} of {} epochs: the loss rises too much under L1 for any gamma to approach 0",
            trained.last.train.as_ref().map_or(0, |state| state.progress.epoch),
            config.epochs
        ));
    }
    if let Some(l1) = l1.as_ref().filter(|_| trained.stopped != Stopped::Interrupted) {
        watch.borrow_mut().note(&outcome(l1.travel(), &start, &trained)?.to_string());
    }
    Ok(trained)
}

/// The evaluation after an epoch.
fn evaluate_epoch(
    checkpoint: &Checkpoint,
    validation: &Loader,
    options: &EvalOptions<'_>,
    context: &RunContext,
) -> Result<Evaluation> {
    let mut detector = Detector::from_checkpoint(checkpoint.clone(), context.executor)?;
    let evaluation = evaluate(&mut detector, validation, options, &mut |_, _, _| {})?;
    let metrics = evaluation.metrics;
    Ok(Evaluation {
        map50: metrics.map50,
        map50_95: metrics.map50_95,
        precision: metrics.precision,
        recall: metrics.recall,
        losses: evaluation.losses,
    })
}

/// Refuses several processes a training that stopped within an epoch: the rest of it has other batches in each number of
/// processes.
fn check_place(start: &Checkpoint, context: &RunContext) -> Result<()> {
    let done = start.train.as_ref().map_or(0, |state| state.progress.batch);
    let world = context.ranks.as_ref().map_or(1, Ranks::world);
    ensure_usage!(
        done == 0 || world == 1,
        "the training stopped after {done} batches of an epoch, and {world} processes can only begin an epoch: resume it with one \
         process to the end of the epoch"
    );
    Ok(())
}

/// The settings with the seed of the run and a named optimiser.
fn named_config(
    config: &TrainConfig,
    data: &Data,
    context: &RunContext,
    watch: &mut dyn TrainWatch,
) -> TrainConfig {
    let config = TrainConfig { seed: context.seed, ..config.clone() };
    let named = config.with_named_optimizer(data.train.samples.len(), data.class_names.len());
    named.map_or(config, |(named, line)| {
        watch.note(&line);
        named
    })
}

/// The executor of a training, which penalises the channels that pruning can remove.
fn start_executor(
    graph: &Graph,
    start: &Checkpoint,
    l1: Option<&PlannedL1>,
    context: &RunContext,
    watch: &mut dyn TrainWatch,
) -> Result<Box<dyn Executor + Send>> {
    let mut executor = build_executor(graph, &start.weights, &context.executor)?;
    if let Some(l1) = l1 {
        let penalised = l1.penalised(start.model.graph());
        executor.penalise(&penalised.map)?;
        if penalised.left > 0 {
            let Penalised { left, channels, .. } = penalised;
            watch.note(&format!(
                "L1 is not applied to {left} of {channels} batch-norm channels, because pruning cannot remove them"
            ));
        }
    }
    Ok(executor)
}

/// The forecast and the measured change of the gammas. In a resumed training, the gammas before it are
/// unknown.
fn outcome(predicted: Option<Travel>, start: &Checkpoint, trained: &Trained) -> Result<L1Outcome> {
    let overall = |checkpoint: &Checkpoint| -> Result<GammaSummary> {
        Ok(GammaStatistics::new(checkpoint.model.graph(), &checkpoint.weights)?.overall)
    };
    let before = if start.train.is_none() { Some(overall(start)?) } else { None };
    Ok(L1Outcome { predicted, before, after: overall(&trained.last)? })
}

/// Number of epochs whose batches are made in the same way: those before mosaic is switched off.
fn mosaic_epochs(config: &TrainConfig, context: &RunContext) -> usize {
    let closed = config.epochs.saturating_sub(context.loader.close_mosaic);
    let augment = context.loader.trained_augment();
    // Without mosaic, mixup and cutmix, nothing is switched off.
    let changes = closed > 0 && augment.combines();
    if changes { closed } else { config.epochs }
}

fn loader_config(config: &TrainConfig, context: &RunContext, stride: usize, batch: usize) -> LoaderConfig {
    LoaderConfig {
        rect: context.loader.rect.then_some(stride),
        multi_scale: context.loader.scales(stride),
        part: context.ranks.as_ref().map(|ranks| Part { number: ranks.rank(), of: ranks.world() }),
        canvas: None,
        imgsz: context.imgsz,
        batch,
        seed: context.seed,
        shuffle: !context.loader.rect,
        augment: Some(context.loader.trained_augment()),
        mosaic_epochs: Some(config.epochs.saturating_sub(context.loader.close_mosaic) as u64),
        workers: context.loader.workers,
        cache_bytes: context.loader.cache_bytes,
    }
}

/// Forwards the trainer's events to the [`TrainWatch`].
struct Watched<'a, 'b>(&'a RefCell<&'b mut dyn TrainWatch>);

impl Observer for Watched<'_, '_> {
    fn on_step(&mut self, step: &StepRecord) -> ControlFlow<()> {
        self.0.borrow_mut().step(step)
    }

    fn on_epoch(
        &mut self,
        record: &EpochRecord,
        timing: &EpochTiming,
        last: &Checkpoint,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        self.0.borrow_mut().epoch(record, timing, last).map_err(anyhow::Error::into_boxed_dyn_error)
    }
}
