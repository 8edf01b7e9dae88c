//! The loop.

use bonsai_checkpoint::{Array, Checkpoint, Progress, TrainState};
use bonsai_exec::{Buffer, ExecError, Executor, Mode};
use bonsai_graph::DetectHead;
use bonsai_yolov8::{HeadOutput, LossItems, LossOutput, detection_loss};

use crate::{
    Batch, BatchSource, EpochRecord, Evaluation, Observer, Penalty, Schedule, StepRecord, TrainConfig,
    TrainError,
};

/// An error of a service that the caller supplies.
type ServiceError = Box<dyn std::error::Error + Send + Sync>;

/// What the caller supplies to a training.
pub struct Services<'a> {
    /// The network, on its device; its parameters are replaced by the checkpoint's.
    pub executor: &'a mut dyn Executor,
    /// Training batches.
    pub batches: &'a mut dyn BatchSource,
    /// Judges averaged weights on the validation split.
    pub evaluate: &'a mut dyn FnMut(&Checkpoint) -> Result<Evaluation, ServiceError>,
    /// L1 on batch norm, by epoch from 0.
    pub penalty: &'a dyn Fn(usize) -> Penalty,
    /// Told about every batch and epoch.
    pub observer: &'a mut dyn Observer,
}

/// What a training gives.
#[derive(Debug, Clone)]
pub struct Trained {
    /// The averaged weights with the best fitness; the later of equals.
    pub best: Checkpoint,
    /// The averaged weights at the end, with what resuming needs.
    pub last: Checkpoint,
    /// Every epoch of this call.
    pub history: Vec<EpochRecord>,
}

/// Trains `start`, or goes on with it if it carries a [`TrainState`].
///
/// Going on equals never having stopped, bit for bit, given the same batches and executor; only the best weights of
/// earlier epochs are the caller's to keep: [`Progress::best_fitness`] decides whether new ones are better.
///
/// # Errors
/// [`TrainError`] with epoch and batch.
pub fn train(
    start: &Checkpoint,
    config: &TrainConfig,
    services: Services<'_>,
) -> Result<Trained, TrainError> {
    check(config)?;
    let Services { executor, batches, evaluate, penalty, observer } = services;
    let mut run = Run::start(start, config, executor, batches.batches())?;
    let mut best = None;
    let mut history = Vec::new();
    loop {
        let epoch = run.progress.epoch;
        let (mut record, stopped) = run.epoch(batches, penalty(epoch), observer)?;
        let mut last = run.checkpoint(start)?;
        let ends = stopped || run.progress.epoch == config.epochs;
        if ends || run.progress.epoch % config.val_period == 0 {
            let judged = Checkpoint { train: None, ..last.clone() };
            let service = |source| TrainError::Service { service: "evaluation", epoch: epoch + 1, source };
            let evaluation = evaluate(&judged).map_err(service)?;
            record.evaluation = Some(evaluation);
            if run.progress.best_fitness.is_none_or(|b| evaluation.fitness() >= b) {
                run.progress.best_fitness = Some(evaluation.fitness());
                best = Some(judged);
            }
            if let Some(train) = &mut last.train {
                train.progress = run.progress.clone();
            }
        }
        let service = |source| TrainError::Service { service: "observer", epoch: epoch + 1, source };
        observer.on_epoch(&record, &last).map_err(service)?;
        history.push(record);
        if ends {
            let best = best.unwrap_or_else(|| Checkpoint { train: None, ..last.clone() });
            return Ok(Trained { best, last, history });
        }
    }
}

fn check(config: &TrainConfig) -> Result<(), TrainError> {
    let counts = [
        ("epochs", config.epochs),
        ("batch", config.batch),
        ("nbs", config.nbs),
        ("val_period", config.val_period),
    ];
    for (field, value) in counts {
        if value == 0 {
            return Err(TrainError::Config { field, got: value.to_string(), expected: "at least 1" });
        }
    }
    let rates = [("lr0", config.lr0), ("lrf", config.lrf), ("clip_norm", config.clip_norm)];
    for (field, value) in rates {
        if !(value.is_finite() && value > 0.0) {
            return Err(TrainError::Config { field, got: value.to_string(), expected: "a positive number" });
        }
    }
    if !(0.0..1.0).contains(&config.momentum) {
        let got = config.momentum.to_string();
        return Err(TrainError::Config { field: "momentum", got, expected: "at least 0 and below 1" });
    }
    Ok(())
}

/// A training in progress.
struct Run<'a> {
    config: &'a TrainConfig,
    executor: &'a mut dyn Executor,
    head: DetectHead,
    schedule: Schedule,
    progress: Progress,
}

impl<'a> Run<'a> {
    fn start(
        start: &Checkpoint,
        config: &'a TrainConfig,
        executor: &'a mut dyn Executor,
        batches: usize,
    ) -> Result<Self, TrainError> {
        let exec = |source| exec_error(0, 0, source);
        let progress = if let Some(state) = &start.train {
            executor.write(Buffer::Params, &state.raw).map_err(exec)?;
            executor.write(Buffer::Momentum, &state.momentum).map_err(exec)?;
            executor.write(Buffer::Ema, &start.weights).map_err(exec)?;
            state.progress.clone()
        } else {
            executor.write(Buffer::Params, &start.weights).map_err(exec)?;
            executor.write(Buffer::Ema, &start.weights).map_err(exec)?;
            let momentum = executor.read(Buffer::Momentum).map_err(exec)?;
            let zeros = momentum.iter().map(|(n, a)| (n.to_owned(), Array::zeros(&a.shape))).collect();
            executor.write(Buffer::Momentum, &zeros).map_err(exec)?;
            Progress { seed: config.seed, ..Progress::default() }
        };
        if progress.epoch >= config.epochs {
            return Err(TrainError::Finished { done: progress.epoch, epochs: config.epochs });
        }
        let schedule = Schedule::new(config, batches);
        Ok(Self { config, executor, head: start.model.head().clone(), schedule, progress })
    }

    /// One pass over the batches; the flag says that the observer asked to stop.
    fn epoch(
        &mut self,
        batches: &mut dyn BatchSource,
        penalty: Penalty,
        observer: &mut dyn Observer,
    ) -> Result<(EpochRecord, bool), TrainError> {
        let (epoch, count) = (self.progress.epoch, batches.batches());
        let at = |batch: usize| move |source| exec_error(epoch + 1, batch, source);
        // Gradients do not outlive an epoch, as in the recipe; a resumed training then starts like any epoch.
        self.executor.zero_gradients().map_err(at(0))?;
        let mut sums = [0.0f64; 3];
        let mut pending = 0;
        let mut stopped = false;
        let mut seen = 0usize;
        let mut step = self.schedule.step((epoch * count) as u64, epoch);
        for (index, batch) in batches.epoch(epoch).enumerate() {
            let number = (epoch * count + index) as u64;
            step = self.schedule.step(number, epoch);
            let (loss, images) = self.backward(&batch, index)?;
            pending += 1;
            let since_last = number + 1 - self.progress.last_step.map_or(0, |last| last + 1);
            if since_last >= step.accumulate {
                self.progress.updates += 1;
                self.progress.last_step = Some(number);
                let rule = self.schedule.rule(step, penalty, pending, self.progress.updates);
                let report = self.executor.update(&rule).map_err(at(index + 1))?;
                pending = 0;
                if !report.gradient_norm.is_finite() {
                    return Err(self.diverged(index, loss, images, report.gradient_norm));
                }
            }
            for (sum, item) in sums.iter_mut().zip([loss.bbox, loss.cls, loss.dfl]) {
                *sum += f64::from(item);
            }
            seen += 1;
            let record = StepRecord {
                epoch: epoch + 1,
                epochs: self.config.epochs,
                batch: index + 1,
                batches: count,
                loss,
                instances: batch.targets.len(),
            };
            stopped |= observer.on_step(&record).is_break();
        }
        self.progress.epoch += 1;
        let mean = sums.map(|s| s / seen.max(1) as f64);
        let record = EpochRecord {
            epoch: epoch + 1,
            epochs: self.config.epochs,
            box_loss: mean[0],
            cls_loss: mean[1],
            dfl_loss: mean[2],
            lr: step.weight_lr,
            l1_gamma: penalty.gamma,
            evaluation: None,
        };
        Ok((record, stopped))
    }

    /// Forward, loss and backward of one batch.
    fn backward(&mut self, batch: &Batch, index: usize) -> Result<(LossItems, usize), TrainError> {
        let (epoch, number) = (self.progress.epoch + 1, index + 1);
        let exec = |source: ExecError| exec_error(epoch, number, source);
        let outputs = self.executor.forward(Mode::Train, &batch.images).map_err(exec)?;
        let loss = HeadOutput::of(&self.head, &outputs)
            .and_then(|head| detection_loss(&head, &batch.targets, self.config.gains))
            .map_err(|e| TrainError::Loss { epoch, batch: number, source: Box::new(e) })?;
        let images = batch.images.shape[0];
        if !loss.total.is_finite() {
            return Err(self.diverged(index, loss.items, images, f32::NAN));
        }
        let items = loss.items;
        let gradients = output_gradients(&self.head, outputs, loss);
        self.executor.backward(&gradients).map_err(exec)?;
        Ok((items, images))
    }

    fn diverged(&self, index: usize, loss: LossItems, images: usize, gradient_norm: f32) -> TrainError {
        TrainError::Diverged {
            epoch: self.progress.epoch + 1,
            batch: index + 1,
            loss: (loss.bbox + loss.cls + loss.dfl) * images as f32,
            gradient_norm,
        }
    }

    /// The averaged weights with the state that resuming needs.
    fn checkpoint(&self, start: &Checkpoint) -> Result<Checkpoint, TrainError> {
        let exec = |source| exec_error(self.progress.epoch, 0, source);
        let mut checkpoint =
            Checkpoint::new(start.model.clone(), self.executor.read(Buffer::Ema).map_err(exec)?)?;
        checkpoint.metadata.clone_from(&start.metadata);
        checkpoint.train = Some(TrainState {
            raw: self.executor.read(Buffer::Params).map_err(exec)?,
            momentum: self.executor.read(Buffer::Momentum).map_err(exec)?,
            progress: self.progress.clone(),
        });
        Ok(checkpoint)
    }
}

fn exec_error(epoch: usize, batch: usize, source: ExecError) -> TrainError {
    TrainError::Exec { epoch, batch, source: Box::new(source) }
}

/// The loss's gradients in the order and shape of the network's outputs.
fn output_gradients(head: &DetectHead, mut outputs: Vec<Array>, loss: LossOutput) -> Vec<Array> {
    for (level, gradient) in loss.gradients.into_iter().enumerate() {
        outputs[head.box_outputs[level]].data = gradient.box_logits;
        outputs[head.cls_outputs[level]].data = gradient.cls_logits;
    }
    outputs
}
