//! [`Run`]: trains the batches of an epoch, with an optimiser step whenever enough gradients are accumulated.

use std::time::Instant;

use bonsai_checkpoint::{Array, Checkpoint, TrainProgress};
use bonsai_collective::Collective;
use bonsai_exec::{ExecError, Executor, Mode};
use bonsai_graph::{DetectHead, Quantization};
use bonsai_yolov8::{
    ClassWeights, HeadError, HeadOutput, LossItems, LossOutput, add_gradients, weighted_detection_loss,
};

use crate::ranks::Ranks;
use crate::split_step::{SplitError, split_step};
use crate::{
    Batch, BatchSource, Distill, EpochRecord, Evaluation, Observer, Penalty, Schedule, StepRecord, Student,
    TrainConfig, TrainError, state,
};

/// A training in progress.
pub(crate) struct Run<'a> {
    config: &'a TrainConfig,
    pub(crate) executor: &'a mut dyn Executor,
    distill: Option<&'a mut Distill<'a>>,
    ranks: Ranks<'a>,
    /// Whether a rank asked to end the training after this epoch.
    pub(crate) stopping: bool,
    /// Weights of the classes in the loss.
    pub(crate) class_weights: Option<&'a ClassWeights>,
    /// The codes to which the training rounds.
    pub(crate) quantization: Option<Quantization>,
    head: DetectHead,
    schedule: Schedule,
    /// Number of batches in an epoch.
    batches: usize,
    pub(crate) progress: TrainProgress,
}

impl<'a> Run<'a> {
    /// Restores the state of `start` in the executor.
    pub(crate) fn start(
        start: &Checkpoint,
        config: &'a TrainConfig,
        executor: &'a mut dyn Executor,
        (distill, ranks): (Option<&'a mut Distill<'a>>, Option<&'a mut dyn Collective>),
        batches: usize,
    ) -> Result<Self, TrainError> {
        if batches == 0 {
            let field = "the number of batches in an epoch";
            let got = "0".to_owned();
            return Err(TrainError::Config { field, got, expected: "at least 1".to_owned() });
        }
        let frozen = config.freeze.parameters(start.model.graph())?;
        executor.freeze(&frozen).map_err(|e| TrainError::exec(0, 0, e))?;
        let progress = state::restore(start, config, executor)?;
        if progress.epoch >= config.epochs {
            return Err(TrainError::Finished { done: progress.epoch, epochs: config.epochs });
        }
        if progress.batch == 0
            && config.evaluates_after(progress.epoch)
            && let Some(best) = config.out_of_patience(&progress)
        {
            return Err(TrainError::OutOfPatience { done: progress.epoch, best, patience: config.patience });
        }
        if progress.batch > 0 && progress.batches != batches {
            let done = progress.batch;
            let of = progress.batches;
            return Err(TrainError::Position { done, of, batches });
        }
        let schedule = Schedule::new(config, batches);
        let head = start.model.head().clone();
        let ranks = Ranks(ranks);
        Ok(Self {
            config,
            executor,
            distill,
            ranks,
            stopping: false,
            class_weights: None,
            quantization: None,
            head,
            schedule,
            batches,
            progress,
        })
    }

    /// Trains the next epoch, or the rest of it; `None` if the observer ended it. Adds the seconds spent
    /// waiting for batches to `waiting`.
    pub(crate) fn epoch(
        &mut self,
        batches: &mut dyn BatchSource,
        penalty: Penalty,
        observer: &mut dyn Observer,
        waiting: &mut f64,
    ) -> Result<Option<EpochRecord>, TrainError> {
        let epoch = self.progress.epoch;
        // Gradients are dropped at the end of an epoch, as in the recipe; training stops only where none are
        // pending.
        self.executor.zero_gradients().map_err(|e| TrainError::exec(epoch + 1, 0, e))?;
        let left = self.batches - self.progress.batch;
        let mut pending = Pending::default();
        let mut stop = false;
        let mut waiting = Stopwatch(waiting);
        let mut source = waiting.time(|| batches.epoch(epoch, self.progress.batch)).take(left);
        while let Some(batch) = waiting.time(|| source.next()) {
            let number = self.progress.batch + 1;
            let failed = |source| TrainError::Batch { epoch: epoch + 1, batch: number, source };
            let mut batch = batch.map_err(failed)?;
            let loss = self.batch(&mut batch, &mut pending, penalty)?;
            let record = StepRecord {
                epoch: epoch + 1,
                epochs: self.config.epochs,
                batch: self.progress.batch,
                batches: self.batches,
                loss,
                instances: batch.targets.len(),
                images: batch.images.shape()[0],
                imgsz: batch.images.shape()[2..].iter().copied().max().unwrap_or(0),
            };
            stop |= observer.on_step(&record).is_break();
            if pending.batches == 0 {
                stop = self.ranks.any(stop, &self.progress)?;
            }
            // Running statistics differ between ranks until the end of an epoch, so several ranks stop only there.
            if stop && pending.batches == 0 && !self.ranks.are_several() {
                return Ok(None);
            }
        }
        if stop && !self.ranks.are_several() {
            return Ok(None);
        }
        // The last batches of an epoch may be pending, so not every stop was exchanged.
        stop = self.ranks.any(stop, &self.progress)?;
        self.stopping = stop;
        let [bbox, cls, dfl] = self.progress.loss_sums;
        let sums = [bbox, cls, dfl, self.progress.distill_sum];
        let [bbox, cls, dfl, distill] = self.ranks.mean(sums, &self.progress)?;
        self.progress.loss_sums = [bbox, cls, dfl];
        self.progress.distill_sum = distill;
        Ok(Some(self.close_epoch(penalty)))
    }

    /// Averages over the ranks what differs between them, and checks what must not.
    ///
    /// # Errors
    /// [`TrainError::Ranks`] if a rank is gone or its parameters differ.
    pub(crate) fn agree(&mut self) -> Result<(), TrainError> {
        self.ranks.average_statistics(self.executor, &self.progress)?;
        self.ranks.check_parameters(self.executor, &self.progress)
    }

    /// The evaluation of the first rank, for all ranks.
    ///
    /// # Errors
    /// Those of `evaluate` in the first rank; [`TrainError::Ranks`] in the others.
    pub(crate) fn evaluate(
        &mut self,
        evaluate: impl FnOnce() -> Result<Evaluation, TrainError>,
    ) -> Result<Evaluation, TrainError> {
        self.ranks.of_first(&self.progress, evaluate)
    }

    /// Marks the epoch as done and returns its record.
    fn close_epoch(&mut self, penalty: Penalty) -> EpochRecord {
        let epoch = self.progress.epoch;
        let done = self.progress.batch;
        let mean = self.progress.loss_sums.map(|sum| sum / done.max(1) as f64);
        let step = self.schedule.step((epoch * self.batches + done.saturating_sub(1)) as u64, epoch);
        self.progress.epoch += 1;
        (self.progress.batch, self.progress.batches) = (0, 0);
        self.progress.loss_sums = [0.0; 3];
        let distilled = std::mem::take(&mut self.progress.distill_sum) / done.max(1) as f64;
        EpochRecord {
            epoch: epoch + 1,
            epochs: self.config.epochs,
            box_loss: mean[0],
            cls_loss: mean[1],
            dfl_loss: mean[2],
            lr: step.weight_lr,
            bias_lr: step.bias_lr,
            l1_gamma: penalty.gamma,
            distill_loss: self.distill.is_some().then_some(distilled),
            evaluation: None,
        }
    }

    /// Trains one batch.
    fn batch(
        &mut self,
        batch: &mut Batch,
        pending: &mut Pending,
        penalty: Penalty,
    ) -> Result<LossItems, TrainError> {
        let epoch = self.progress.epoch;
        let index = self.progress.batch;
        let number = (epoch * self.batches + index) as u64;
        let step = self.schedule.step(number, epoch);
        let loss = self.backward(batch, index)?;
        pending.batches += 1;
        pending.images.append(&mut batch.names);
        if step.completes(number, self.progress.last_step) {
            let updates = self.progress.updates + 1;
            let rule = self.schedule.rule(step, penalty, pending.batches, updates);
            self.ranks.sum_gradients(self.executor, &self.progress)?;
            let report =
                self.executor.update(&rule).map_err(|e| TrainError::exec(epoch + 1, index + 1, e))?;
            let Pending { images, .. } = std::mem::take(pending);
            if !report.gradient_norm.is_finite() {
                return Err(self.diverged(loss, None, Some(report.gradient_norm), images));
            }
            self.progress.updates = updates;
            self.progress.last_step = Some(number);
        }
        for (sum, item) in self.progress.loss_sums.iter_mut().zip([loss.bbox, loss.cls, loss.dfl]) {
            *sum += f64::from(item);
        }
        self.progress.batch += 1;
        self.progress.batches = self.batches;
        Ok(loss)
    }

    /// Forward, loss and backward of one batch.
    fn backward(&mut self, batch: &Batch, index: usize) -> Result<LossItems, TrainError> {
        let epoch = self.progress.epoch + 1;
        let number = index + 1;
        let exec = |source: ExecError| TrainError::exec(epoch, number, source);
        let failed = |e: HeadError| TrainError::Loss { epoch, batch: number, source: Box::new(e) };
        // A teacher needs the outputs on the host, and a device has one factor for the gradients of all classes.
        if self.distill.is_none()
            && self.class_weights.is_none()
            && let Some(pass) = self.executor.head_pass()
        {
            let step = split_step(pass, &self.head, batch, self.config.gains);
            let step = step.map_err(|error| match error {
                SplitError::Exec(source) => exec(*source),
                SplitError::Loss(source) => failed(*source),
            })?;
            return step.map_err(|items| self.diverged(items, None, None, batch.names.clone()));
        }
        let outputs = self.executor.forward(Mode::Train, &batch.images).map_err(exec)?;
        let head = HeadOutput::from_outputs(&self.head, &outputs).map_err(failed)?;
        let loss = weighted_detection_loss(&head, &batch.targets, self.config.gains, self.class_weights);
        let mut loss = loss.map_err(failed)?;
        let items = loss.items;
        let mut features = Vec::new();
        let mut taught = None;
        if let Some(distill) = &mut self.distill {
            let service = |source| TrainError::Service { service: "teacher", epoch, source };
            let others: Vec<&Array> = beside_head(&self.head, outputs.len()).map(|at| &outputs[at]).collect();
            let student =
                Student { images: &batch.images, head: &head, features: &others, score_sum: loss.score_sum };
            let more = distill(&student).map_err(service)?;
            (features, taught) = (more.features, Some(more.loss));
            // A teacher may give gradients for features alone.
            if !more.gradients.is_empty() {
                add_gradients(&mut loss.gradients, &more.gradients).map_err(failed)?;
            }
            loss.total += more.loss;
            self.progress.distill_sum += f64::from(more.loss) / batch.images.shape()[0].max(1) as f64;
        }
        if !loss.total.is_finite() {
            return Err(self.diverged(items, taught, None, batch.names.clone()));
        }
        let mut gradients = output_gradients(&self.head, outputs, loss);
        for (at, feature) in beside_head(&self.head, gradients.len()).zip(features) {
            gradients[at] = feature;
        }
        self.executor.backward(&gradients).map_err(exec)?;
        Ok(items)
    }

    fn diverged(
        &self,
        loss: LossItems,
        distill: Option<f32>,
        gradient_norm: Option<f32>,
        images: Vec<String>,
    ) -> TrainError {
        TrainError::Diverged {
            epoch: self.progress.epoch + 1,
            batch: self.progress.batch + 1,
            step: self.progress.updates + 1,
            loss,
            distill,
            gradient_norm,
            images,
            good_epoch: self.progress.epoch,
        }
    }

    /// The averaged weights with the state that is needed to resume.
    pub(crate) fn checkpoint(&self, start: &Checkpoint) -> Result<Checkpoint, TrainError> {
        let checkpoint = state::snapshot(start, self.config, &self.progress, self.executor)?;
        Ok(Checkpoint { quantization: self.quantization.clone(), ..checkpoint })
    }
}

/// Number of batches whose gradients wait for an optimiser step, and the names of their images.
#[derive(Default)]
struct Pending {
    batches: u64,
    images: Vec<String>,
}

/// Adds elapsed seconds to a counter.
struct Stopwatch<'a>(&'a mut f64);

impl Stopwatch<'_> {
    fn time<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let clock = Instant::now();
        let done = work();
        *self.0 += clock.elapsed().as_secs_f64();
        done
    }
}

/// Indices of the network's outputs that are not the head's.
fn beside_head(head: &DetectHead, outputs: usize) -> impl Iterator<Item = usize> + '_ {
    (0..outputs).filter(|at| !head.box_outputs.contains(at) && !head.cls_outputs.contains(at))
}

/// The loss's gradients in the order and shape of the network's `outputs`, as the executor's backward pass
/// needs them; zero for outputs that are not the head's.
pub fn output_gradients(head: &DetectHead, mut outputs: Vec<Array>, loss: LossOutput) -> Vec<Array> {
    for at in beside_head(head, outputs.len()) {
        outputs[at].data_mut().fill(0.0);
    }
    for (level, gradient) in loss.gradients.into_iter().enumerate() {
        for (at, values) in
            [(head.box_outputs[level], gradient.box_logits), (head.cls_outputs[level], gradient.cls_logits)]
        {
            outputs[at] = Array::new(outputs[at].shape(), values);
        }
    }
    outputs
}
