//! Trainings that diverge: the error names the place and the images, and no such state is saved.

use bonsai_checkpoint::{Array, Checkpoint, Weights};
use bonsai_exec::{
    Buffer, ExecError, Executor, ExecutorKind, ExecutorOptions, Mode, PenaltyMap, UpdateReport, UpdateRule,
    build_executor,
};
use bonsai_graph::{Graph, NodeId};
use bonsai_train::{Batch, BatchResult, BatchSource, TrainConfig, TrainError};

use crate::noise::{KINDS, Noise, Recorder, config, no_penalty, run, start, train_on};

/// [`Noise`] with all values of one batch replaced by `value`.
struct Broken {
    epoch: usize,
    batch: usize,
    value: f32,
}

impl BatchSource for Broken {
    fn batches(&self) -> usize {
        Noise.batches()
    }

    fn epoch(&mut self, epoch: usize, first: usize) -> Box<dyn Iterator<Item = BatchResult> + '_> {
        let bad = (epoch == self.epoch).then_some(self.batch);
        let value = self.value;
        let batches = Noise.epoch(epoch, first).collect::<Vec<_>>().into_iter().enumerate();
        Box::new(batches.map(move |(index, batch)| {
            let mut batch = batch?;
            if Some(first + index) == bad {
                batch.images.data_mut().fill(value);
            }
            Ok(batch)
        }))
    }
}

/// An executor whose gradient becomes NaN in one backward pass.
struct Cracked {
    whole: Box<dyn Executor>,
    passes: usize,
    breaks_at: usize,
}

impl Executor for Cracked {
    fn graph(&self) -> &Graph {
        self.whole.graph()
    }

    fn forward(&mut self, mode: Mode, images: &Array) -> Result<Vec<Array>, ExecError> {
        self.whole.forward(mode, images)
    }

    fn backward(&mut self, output_gradients: &[Array]) -> Result<(), ExecError> {
        self.whole.backward(output_gradients)?;
        self.passes += 1;
        if self.passes == self.breaks_at {
            let mut gradients = self.whole.read(Buffer::Gradients)?;
            gradients.get_mut("b.conv.weight").unwrap().data_mut()[5] = f32::NAN;
            self.whole.write(Buffer::Gradients, &gradients)?;
        }
        Ok(())
    }

    fn set_taps(&mut self, nodes: &[NodeId]) {
        self.whole.set_taps(nodes);
    }

    fn tap(&self, node: NodeId) -> Result<Array, ExecError> {
        self.whole.tap(node)
    }

    fn input_gradient(&self) -> Result<Array, ExecError> {
        self.whole.input_gradient()
    }

    fn read(&self, buffer: Buffer) -> Result<Weights, ExecError> {
        self.whole.read(buffer)
    }

    fn write(&mut self, buffer: Buffer, weights: &Weights) -> Result<(), ExecError> {
        self.whole.write(buffer, weights)
    }

    fn zero_gradients(&mut self) -> Result<(), ExecError> {
        self.whole.zero_gradients()
    }

    fn penalise(&mut self, map: &PenaltyMap) -> Result<(), ExecError> {
        self.whole.penalise(map)
    }

    fn freeze(&mut self, names: &[String]) -> Result<(), ExecError> {
        self.whole.freeze(names)
    }

    fn update(&mut self, rule: &UpdateRule) -> Result<UpdateReport, ExecError> {
        self.whole.update(rule)
    }
}

#[track_caller]
fn assert_names(error: &TrainError, parts: &[&str]) {
    let text = error.to_string();
    for part in parts {
        assert!(text.contains(part), "`{part}` is missing in: {text}");
    }
}

/// The observer received exactly this many checkpoints, and all their values are finite.
#[track_caller]
fn assert_saved(seen: &Recorder, epochs: usize) {
    assert_eq!(seen.epochs.len(), epochs);
    let finite = |w: &Weights| w.iter().all(|(_, a)| a.data().iter().all(|v| v.is_finite()));
    for (_, checkpoint) in &seen.epochs {
        let train = checkpoint.train.as_ref().unwrap();
        assert!([&checkpoint.weights, &train.raw, &train.momentum].into_iter().all(finite));
    }
}

/// Every batch is an optimiser step.
fn every_batch() -> TrainConfig {
    TrainConfig { nbs: 4, ..config(3) }
}

#[test]
fn a_loss_that_is_no_number_names_its_batch() {
    for kind in KINDS {
        let mut seen = Recorder::default();
        let mut batches = Broken { epoch: 2, batch: 1, value: f32::NAN };
        let error = run(kind, &start(), &every_batch(), &mut batches, &no_penalty, &mut seen).unwrap_err();
        assert_names(
            &error,
            &["epoch 3, batch 2, optimiser step 8", "box loss", "class loss", "distribution loss"],
        );
        assert_names(
            &error,
            &["gradient norm not computed", "4 images: 2-1-0.png, 2-1-1.png", "is that of epoch 2"],
        );
        assert_saved(&seen, 2);
    }
}

#[test]
fn the_first_epoch_has_nothing_good_before_it_and_batches_may_have_no_names() {
    struct Nameless(Broken);
    impl BatchSource for Nameless {
        fn batches(&self) -> usize {
            self.0.batches()
        }
        fn epoch(&mut self, epoch: usize, first: usize) -> Box<dyn Iterator<Item = BatchResult> + '_> {
            Box::new(self.0.epoch(epoch, first).map(|batch| Ok(Batch { names: Vec::new(), ..batch? })))
        }
    }
    let mut seen = Recorder::default();
    let mut batches = Nameless(Broken { epoch: 0, batch: 0, value: f32::NAN });
    let kind = ExecutorKind::Cpu;
    let error = run(kind, &start(), &config(3), &mut batches, &no_penalty, &mut seen).unwrap_err();
    assert_names(&error, &["epoch 1, batch 1, optimiser step 1", "images without names", "started from"]);
    assert_saved(&seen, 0);
}

#[test]
fn a_gradient_that_is_no_number_names_all_batches_of_its_step() {
    for kind in KINDS {
        let from = start();
        let options = ExecutorOptions { kind: Some(kind), threads: 2, ..ExecutorOptions::default() };
        let whole = build_executor(from.model.graph(), &from.weights, &options).unwrap();
        // Steps follow batches 1, 2, 4 and 6: the fifth batch breaks the gradient, and the sixth steps.
        let mut cracked = Cracked { whole, passes: 0, breaks_at: 5 };
        let mut seen = Recorder::default();
        let error =
            train_on(&mut cracked, &from, &config(3), &mut Noise, &no_penalty, &mut seen).unwrap_err();
        assert_names(&error, &["epoch 2, batch 3, optimiser step 4", "gradient norm NaN"]);
        assert_names(&error, &["8 images: 1-1-0.png, 1-1-1.png, 1-1-2.png, 1-1-3.png and 4 more"]);
        assert_names(&error, &["is that of epoch 1"]);
        assert_saved(&seen, 1);
        let left = cracked.read(Buffer::Params).unwrap();
        assert!(
            left.iter().all(|(_, a)| a.data().iter().all(|v| v.is_finite())),
            "the step must not be applied"
        );
    }
}

/// Values so large that a batch variance is infinite: batch norm then outputs zeros, so loss and gradient are
/// finite.
#[test]
fn statistics_that_are_no_numbers_are_not_saved() {
    for kind in KINDS {
        for stop_after in [None, Some(5)] {
            let mut seen = Recorder { stop_after, ..Recorder::default() };
            let mut batches = Huge;
            let error =
                run(kind, &start(), &every_batch(), &mut batches, &no_penalty, &mut seen).unwrap_err();
            assert!(matches!(error, TrainError::Poisoned { .. }), "{error}");
            assert_names(&error, &["`a.bn.running_var`", "epoch 2", "is that of epoch 1"]);
            assert_saved(&seen, 1);
        }
    }
}

/// [`Noise`], multiplied by `1e25` in the second batch of the second epoch.
struct Huge;

impl BatchSource for Huge {
    fn batches(&self) -> usize {
        Noise.batches()
    }

    fn epoch(&mut self, epoch: usize, first: usize) -> Box<dyn Iterator<Item = BatchResult> + '_> {
        let batches = Noise.epoch(epoch, first).collect::<Vec<_>>().into_iter().enumerate();
        Box::new(batches.map(move |(index, batch)| {
            let mut batch = batch?;
            if (epoch, first + index) == (1, 1) {
                batch.images.data_mut().iter_mut().for_each(|v| *v *= 1e25);
            }
            Ok(batch)
        }))
    }
}

#[test]
fn what_is_saved_can_be_trained_on() {
    let mut seen = Recorder::default();
    let mut batches = Broken { epoch: 1, batch: 2, value: f32::INFINITY };
    let kind = ExecutorKind::Cpu;
    run(kind, &start(), &config(3), &mut batches, &no_penalty, &mut seen).unwrap_err();
    let good: &Checkpoint = &seen.epochs[0].1;
    run(kind, good, &config(3), &mut Noise, &no_penalty, &mut Recorder::default()).unwrap();
}
