//! Twenty steps of YOLOv8n from one start: the losses of the executors agree, and the CPU executor is
//! reproducible.

use std::ops::ControlFlow;

use bonsai_boxes::Cxcywh;
use bonsai_checkpoint::Checkpoint;
use bonsai_exec::{ComputePrecision, ExecutorKind, ExecutorOptions};
use bonsai_testkit::random_array;
use bonsai_train::{
    Batch, BatchResult, BatchSource, EpochRecord, EpochTiming, Observer, StepRecord, TrainConfig, Trained,
};
use bonsai_yolov8::{Scale, Target, build, init};

use crate::noise::{no_penalty, run_with};

const STEPS: usize = 20;

/// Largest relative difference of two executors' losses after twenty steps; rounding errors accumulate over
/// the steps.
const LOSS_BOUND: f32 = 1e-3;

/// The same if values between layers have 8 bits of precision, for each part of the loss. One part was off by 2.1e-2 in
/// the last step, and the sum of the parts by 7e-4.
const BF16_LOSS_BOUND: f32 = 4e-2;

/// Noise with two objects per image. At 96 px the first levels use Winograd convolution.
struct Objects {
    /// Images in a batch.
    images: usize,
}

impl BatchSource for Objects {
    fn batches(&self) -> usize {
        STEPS
    }

    fn epoch(&mut self, _: usize, first: usize) -> Box<dyn Iterator<Item = BatchResult> + '_> {
        let count = self.images;
        Box::new((first..STEPS).map(move |index| {
            let images = random_array(index as u64, &[count, 3, 96, 96]);
            let target = |i: usize| {
                let bbox = Cxcywh { cx: 0.3 + 0.1 * (i % count) as f32, cy: 0.4, w: 0.5, h: 0.3 };
                Target { image: i % count, class_id: i / count, bbox }
            };
            Ok(Batch { images, targets: (0..2 * count).map(target).collect(), names: Vec::new() })
        }))
    }
}

/// The three parts of the loss in every step.
#[derive(Default)]
struct Losses(Vec<[f32; 3]>);

impl Observer for Losses {
    fn on_step(&mut self, step: &StepRecord) -> ControlFlow<()> {
        self.0.push([step.loss.bbox, step.loss.cls, step.loss.dfl]);
        ControlFlow::Continue(())
    }

    fn on_epoch(
        &mut self,
        _: &EpochRecord,
        _: &EpochTiming,
        _: &Checkpoint,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        Ok(())
    }
}

fn train(kind: ExecutorKind, threads: usize) -> (Trained, Losses) {
    train_with(&ExecutorOptions { kind: Some(kind), threads, ..ExecutorOptions::default() }, 4)
}

fn train_with(options: &ExecutorOptions, images: usize) -> (Trained, Losses) {
    let start = init(&build(Scale::N, &["a".to_owned(), "b".to_owned()]).unwrap(), 3).unwrap();
    // Every batch is a step. Warm-up is needed: at the full learning rate from fresh weights, the assignment
    // of objects to anchors changes within ten steps after any difference, even one of summation order.
    let config = TrainConfig { epochs: 1, batch: images, nbs: images, ..TrainConfig::default() };
    let mut losses = Losses::default();
    let trained =
        run_with(options, &start, &config, &mut Objects { images }, &no_penalty, &mut losses).unwrap();
    assert_eq!(
        (losses.0.len(), trained.last.train.as_ref().unwrap().progress.updates),
        (STEPS, STEPS as u64)
    );
    (trained, losses)
}

#[test]
fn the_cpu_executor_repeats_itself_with_any_number_of_threads() {
    let (first, losses) = train(ExecutorKind::Cpu, 2);
    for threads in [2, 1, 3] {
        let (again, same) = train(ExecutorKind::Cpu, threads);
        assert_eq!(same.0, losses.0, "{threads} threads");
        assert!(again.last == first.last, "{threads} threads: the losses are equal, the parameters are not");
    }
}

#[test]
fn the_executors_agree_in_the_loss() {
    let cpu = train(ExecutorKind::Cpu, 2).1;
    let candle = train(ExecutorKind::Candle, 2).1;
    assert!(cpu.0[STEPS - 1] != cpu.0[0], "training must change the loss");
    assert_close(&cpu, &candle);
}

/// On the GPU that the environment variable `BONSAI_TEST_DEVICE` names; without it, nothing runs. Two images are enough,
/// because the driver on the host is slow.
#[test]
fn the_gpu_agrees_in_the_loss() {
    let Ok(device) = std::env::var("BONSAI_TEST_DEVICE") else { return };
    let device = device.parse().unwrap();
    let run = |options: &ExecutorOptions| train_with(options, 2).1;
    let cpu = run(&ExecutorOptions { kind: Some(ExecutorKind::Cpu), ..ExecutorOptions::default() });
    for (precision, bound) in [(ComputePrecision::F32, LOSS_BOUND), (ComputePrecision::Bf16, BF16_LOSS_BOUND)]
    {
        let options = ExecutorOptions { device, precision: Some(precision), ..ExecutorOptions::default() };
        assert_within(&cpu, &run(&options), bound);
    }
}

#[track_caller]
fn assert_close(first: &Losses, second: &Losses) {
    assert_within(first, second, LOSS_BOUND);
}

#[track_caller]
fn assert_within(first: &Losses, second: &Losses, bound: f32) {
    for (step, (first, second)) in first.0.iter().zip(&second.0).enumerate() {
        for (ours, theirs) in first.iter().zip(second) {
            let difference = (ours - theirs).abs() / theirs.abs();
            assert!(difference <= bound, "step {}: {first:?} and {second:?}, {difference:.1e}", step + 1);
        }
    }
}
