//! Small trainings on made-up batches: what must fall, what must be equal bit for bit, what must be refused.

#![allow(clippy::unwrap_used, reason = "a test may stop")]

use std::ops::ControlFlow;

use bonsai_boxes::Cxcywh;
use bonsai_checkpoint::{Array, Checkpoint};
use bonsai_exec::{CandleExecutor, Device, Executor};
use bonsai_graph::{DetectHead, Graph, ModelSpec};
use bonsai_testkit::{random_array, random_weights};
use bonsai_train::{
    Batch, BatchSource, EpochRecord, Evaluation, Observer, Penalty, Services, StepRecord, TrainConfig,
    TrainError, Trained, train,
};
use bonsai_yolov8::Target;

const NETWORK: &str = "
    images = input() channels=3
    a.conv = conv2d(images) out_channels=8 kernel=3 stride=2 padding=1 bias=false
    a.bn = batch_norm(a.conv) eps=0.001 momentum=0.03
    a.act = silu(a.bn)
    b.conv = conv2d(a.act) out_channels=8 kernel=3 stride=2 padding=1 bias=false
    b.bn = batch_norm(b.conv) eps=0.001 momentum=0.03
    b.act = silu(b.bn)
    c.conv = conv2d(b.act) out_channels=8 kernel=3 stride=2 padding=1 bias=false
    c.bn = batch_norm(c.conv) eps=0.001 momentum=0.03
    c.act = silu(c.bn)
    boxes = conv2d(c.act) out_channels=16 kernel=1 stride=1 padding=0 bias=true
    classes = conv2d(c.act) out_channels=2 kernel=1 stride=1 padding=0 bias=true
    outputs = boxes, classes";

fn start() -> Checkpoint {
    let graph: Graph = NETWORK.parse().unwrap();
    let head = DetectHead {
        num_classes: 2,
        reg_max: 4,
        strides: vec![8],
        box_outputs: vec![0],
        cls_outputs: vec![1],
    };
    let weights = random_weights(1, &graph);
    let model = ModelSpec::new(graph, head, vec!["a".to_owned(), "b".to_owned()]).unwrap();
    Checkpoint::new(model, weights).unwrap()
}

fn config(epochs: usize) -> TrainConfig {
    TrainConfig {
        epochs,
        batch: 4,
        nbs: 8,
        warmup_epochs: 1.0,
        warmup_min_batches: 0,
        ..TrainConfig::default()
    }
}

/// Three batches per epoch of noise with one object per image; the second image is brighter where it is.
struct Noise;

impl BatchSource for Noise {
    fn batches(&self) -> usize {
        3
    }

    fn epoch(&mut self, epoch: usize) -> Box<dyn Iterator<Item = Batch> + '_> {
        Box::new((0..3).map(move |index| {
            let images = random_array((epoch * 3 + index) as u64, &[4, 3, 32, 32]);
            let bbox = Cxcywh { cx: 0.5, cy: 0.5, w: 0.5, h: 0.4 };
            let targets = (0..4).map(|image| Target { image, class_id: image % 2, bbox }).collect();
            Batch { images, targets }
        }))
    }
}

/// Batches whose images are not numbers from the second on.
struct Broken;

impl BatchSource for Broken {
    fn batches(&self) -> usize {
        2
    }

    fn epoch(&mut self, epoch: usize) -> Box<dyn Iterator<Item = Batch> + '_> {
        Box::new(
            Noise
                .epoch(epoch)
                .take(2)
                .enumerate()
                .map(|(i, mut b)| {
                    if i == 1 {
                        b.images.data.fill(f32::NAN);
                    }
                    b
                })
                .collect::<Vec<_>>()
                .into_iter(),
        )
    }
}

#[derive(Default)]
struct Recorder {
    steps: usize,
    epochs: Vec<(EpochRecord, Checkpoint)>,
    stop_at: Option<usize>,
}

impl Observer for Recorder {
    fn on_step(&mut self, step: &StepRecord) -> ControlFlow<()> {
        self.steps += 1;
        if self.stop_at == Some(step.epoch) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn on_epoch(
        &mut self,
        record: &EpochRecord,
        last: &Checkpoint,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        self.epochs.push((record.clone(), last.clone()));
        Ok(())
    }
}

fn run(
    from: &Checkpoint,
    config: &TrainConfig,
    batches: &mut dyn BatchSource,
    penalty: &dyn Fn(usize) -> Penalty,
    observer: &mut Recorder,
) -> Result<Trained, TrainError> {
    let mut executor = CandleExecutor::new(from.model.graph(), &from.weights, Device::Cpu).unwrap();
    let executor: &mut dyn Executor = &mut executor;
    // A fitness that falls: the first epoch is the best.
    let mut evaluations = 0;
    let mut evaluate = |_: &Checkpoint| {
        evaluations += 1;
        Ok(Evaluation { map50: 1.0 / f64::from(evaluations), ..Evaluation::default() })
    };
    train(from, config, Services { executor, batches, evaluate: &mut evaluate, penalty, observer })
}

fn no_penalty(_: usize) -> Penalty {
    Penalty::default()
}

#[test]
fn loss_falls_and_best_is_the_best_epoch() {
    let mut seen = Recorder::default();
    let trained = run(&start(), &config(25), &mut Noise, &no_penalty, &mut seen).unwrap();
    let loss = |r: &EpochRecord| r.box_loss + r.cls_loss + r.dfl_loss;
    let (first, last) = (loss(&trained.history[0]), loss(&trained.history[24]));
    assert!(last < 0.7 * first, "{first} to {last}");
    assert_eq!((seen.steps, seen.epochs.len()), (75, 25));
    assert_eq!(trained.best.weights, seen.epochs[0].1.weights, "fitness falls, so the first epoch is best");
    assert!(trained.best.train.is_none());
    assert_eq!(trained.last.train.unwrap().progress.epoch, 25);
}

#[test]
fn the_same_start_gives_the_same_bits() {
    let run = || run(&start(), &config(3), &mut Noise, &no_penalty, &mut Recorder::default()).unwrap();
    assert_eq!(run().last, run().last);
}

#[test]
fn resuming_equals_not_stopping() {
    // nbs 8 at batch 4 with three batches per epoch: accumulation crosses the epoch.
    let mut seen = Recorder::default();
    let whole = run(&start(), &config(5), &mut Noise, &no_penalty, &mut seen).unwrap();
    for (_, middle) in &seen.epochs[..4] {
        let bytes = middle.to_bytes().unwrap();
        let reloaded = Checkpoint::from_bytes(&bytes).unwrap();
        let rest = run(&reloaded, &config(5), &mut Noise, &no_penalty, &mut Recorder::default()).unwrap();
        assert_eq!(rest.last.weights, whole.last.weights);
        let state = |c: &Checkpoint| c.train.clone().unwrap();
        assert_eq!(state(&rest.last).raw, state(&whole.last).raw);
        assert_eq!(state(&rest.last).momentum, state(&whole.last).momentum);
    }
}

#[test]
fn stopping_ends_after_the_epoch_with_a_resumable_checkpoint() {
    let mut seen = Recorder { stop_at: Some(2), ..Recorder::default() };
    let stopped = run(&start(), &config(5), &mut Noise, &no_penalty, &mut seen).unwrap();
    assert_eq!(stopped.history.len(), 2);
    assert_eq!(stopped.last.train.unwrap().progress.epoch, 2);
}

#[test]
fn l1_moves_gamma_towards_zero() {
    let penalty = |_: usize| Penalty { gamma: 0.5, ..Penalty::default() };
    let mean = |trained: &Trained| {
        let gamma: &Array = trained.last.train.as_ref().unwrap().raw.get("b.bn.weight").unwrap();
        gamma.data.iter().map(|g| g.abs()).sum::<f32>()
    };
    let plain = run(&start(), &config(10), &mut Noise, &no_penalty, &mut Recorder::default()).unwrap();
    let sparse = run(&start(), &config(10), &mut Noise, &penalty, &mut Recorder::default()).unwrap();
    assert!(mean(&sparse) < 0.98 * mean(&plain), "{} against {}", mean(&sparse), mean(&plain));
}

#[test]
fn divergence_names_epoch_and_batch() {
    let error = run(&start(), &config(3), &mut Broken, &no_penalty, &mut Recorder::default()).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("epoch 1, batch 2"), "{text}");
}

#[test]
fn nonsense_is_refused_with_its_name() {
    for (config, name) in [
        (TrainConfig { epochs: 0, ..config(1) }, "epochs"),
        (TrainConfig { batch: 0, ..config(1) }, "batch"),
        (TrainConfig { lr0: f64::NAN, ..config(1) }, "lr0"),
        (TrainConfig { momentum: 1.0, ..config(1) }, "momentum"),
    ] {
        let error = run(&start(), &config, &mut Noise, &no_penalty, &mut Recorder::default()).unwrap_err();
        assert!(error.to_string().contains(name), "{error}");
    }
    let done = run(&start(), &config(2), &mut Noise, &no_penalty, &mut Recorder::default()).unwrap();
    let error = run(&done.last, &config(2), &mut Noise, &no_penalty, &mut Recorder::default()).unwrap_err();
    assert!(error.to_string().contains("2 of 2"), "{error}");
}
