//! Records of a training: they depend only on the training, and timings are separate.

use std::ops::ControlFlow;
use std::time::Duration;

use bonsai_checkpoint::Checkpoint;
use bonsai_exec::{ExecutorKind, ExecutorOptions, build_executor};
use bonsai_train::{
    BatchResult, BatchSource, EpochRecord, EpochTiming, Evaluation, MeanLosses, Observer, PenaltyPlan,
    Schedule, Services, StepRecord, train,
};

use crate::noise::{KINDS, Noise, Recorder, config, no_penalty, run, start};

#[test]
fn equal_trainings_give_equal_records() {
    for kind in KINDS {
        let history = || {
            let mut seen = Recorder::default();
            run(kind, &start(), &config(3), &mut Noise, &no_penalty, &mut seen).unwrap();
            seen.epochs.into_iter().map(|(record, _)| record).collect::<Vec<_>>()
        };
        assert_eq!(history(), history());
    }
}

#[test]
fn rates_are_those_of_the_last_batch() {
    let trained =
        run(ExecutorKind::Cpu, &start(), &config(3), &mut Noise, &no_penalty, &mut Recorder::default());
    let schedule = Schedule::new(&config(3), 3);
    for (epoch, record) in trained.unwrap().history.iter().enumerate() {
        let step = schedule.step(3 * epoch as u64 + 2, epoch);
        assert_eq!((record.lr, record.bias_lr), (step.weight_lr, step.bias_lr));
        assert!(
            epoch > 0 || record.bias_lr > record.lr,
            "in warm-up the learning rate of biases falls to that of kernels"
        );
    }
}

/// [`Noise`] with a delay before each batch.
struct Slow;

const DELAY: Duration = Duration::from_millis(20);

impl BatchSource for Slow {
    fn batches(&self) -> usize {
        Noise.batches()
    }

    fn epoch(&mut self, epoch: usize, first: usize) -> Box<dyn Iterator<Item = BatchResult> + '_> {
        let batches: Vec<BatchResult> = Noise.epoch(epoch, first).collect();
        Box::new(batches.into_iter().inspect(|_| std::thread::sleep(DELAY)))
    }
}

/// An observer that keeps all records.
#[derive(Default)]
struct Listener {
    steps: Vec<StepRecord>,
    epochs: Vec<(EpochRecord, EpochTiming)>,
}

impl Observer for Listener {
    fn on_step(&mut self, step: &StepRecord) -> ControlFlow<()> {
        self.steps.push(*step);
        ControlFlow::Continue(())
    }

    fn on_epoch(
        &mut self,
        record: &EpochRecord,
        timing: &EpochTiming,
        _: &Checkpoint,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        self.epochs.push((record.clone(), *timing));
        Ok(())
    }
}

#[test]
fn waiting_and_evaluating_are_told_apart_and_steps_say_what_they_saw() {
    let from = start();
    let mut executor =
        build_executor(from.model.graph(), &from.weights, &ExecutorOptions::default()).unwrap();
    let losses = Some(MeanLosses { bbox: 1.0, cls: 2.0, dfl: 3.0 });
    let mut evaluate = |_: &Checkpoint| {
        std::thread::sleep(2 * DELAY);
        Ok(Evaluation { losses, ..Evaluation::default() })
    };
    let mut listener = Listener::default();
    let services = Services {
        executor: &mut *executor,
        batches: &mut Slow,
        evaluate: &mut evaluate,
        penalty: PenaltyPlan::ByEpoch(&no_penalty),
        distill: None,
        codes: None,
        ranks: None,
        class_weights: None,
        observer: &mut listener,
    };
    train(&from, &config(2), services).unwrap();
    let delay = DELAY.as_secs_f64();
    for (record, timing) in &listener.epochs {
        assert!(timing.waiting >= 3.0 * delay && timing.evaluating >= 2.0 * delay, "{timing:?}");
        assert!(timing.seconds >= timing.waiting + timing.evaluating, "{timing:?}");
        assert_eq!(record.evaluation.unwrap().losses, losses);
    }
    assert_eq!(listener.epochs.len(), 2);
    for step in &listener.steps {
        assert_eq!((step.images, step.imgsz, step.instances, step.batches), (4, 32, 4, 3));
    }
}
