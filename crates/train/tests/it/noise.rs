//! A small network, synthetic batches, and helpers that train one on the other.

use std::ops::ControlFlow;

use bonsai_boxes::Cxcywh;
use bonsai_checkpoint::Checkpoint;
use bonsai_collective::Collective;
use bonsai_exec::{Executor, ExecutorKind, ExecutorOptions, build_executor};
use bonsai_graph::{DetectHead, Graph, ModelSpec};
use bonsai_testkit::{random_array, random_weights};
use bonsai_train::{
    Batch, BatchResult, BatchSource, EpochRecord, EpochTiming, Evaluation, Observer, Penalty, PenaltyPlan,
    Services, StepRecord, TrainConfig, TrainError, Trained, train,
};
use bonsai_yolov8::Target;

pub(crate) const KINDS: [ExecutorKind; 2] = [ExecutorKind::Cpu, ExecutorKind::Candle];

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

pub(crate) fn start() -> Checkpoint {
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

pub(crate) fn config(epochs: usize) -> TrainConfig {
    TrainConfig {
        epochs,
        batch: 4,
        nbs: 8,
        warmup_epochs: 1.0,
        warmup_min_batches: 0,
        ..TrainConfig::default()
    }
}

/// Three batches of noise per epoch with one object per image.
pub(crate) struct Noise;

impl BatchSource for Noise {
    fn batches(&self) -> usize {
        3
    }

    fn epoch(&mut self, epoch: usize, first: usize) -> Box<dyn Iterator<Item = BatchResult> + '_> {
        Box::new((first..3).map(move |index| {
            let images = random_array((epoch * 3 + index) as u64, &[4, 3, 32, 32]);
            let bbox = Cxcywh { cx: 0.5, cy: 0.5, w: 0.5, h: 0.4 };
            let targets = (0..4).map(|image| Target { image, class_id: image % 2, bbox }).collect();
            let names = (0..4).map(|image| format!("{epoch}-{index}-{image}.png")).collect();
            Ok(Batch { images, targets, names })
        }))
    }
}

#[derive(Default)]
pub(crate) struct Recorder {
    pub(crate) steps: usize,
    pub(crate) timings: Vec<EpochTiming>,
    pub(crate) epochs: Vec<(EpochRecord, Checkpoint)>,
    /// Ends the training after this many batches.
    pub(crate) stop_after: Option<usize>,
}

impl Observer for Recorder {
    fn on_step(&mut self, _: &StepRecord) -> ControlFlow<()> {
        self.steps += 1;
        if self.stop_after == Some(self.steps) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn on_epoch(
        &mut self,
        record: &EpochRecord,
        timing: &EpochTiming,
        last: &Checkpoint,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        self.epochs.push((record.clone(), last.clone()));
        self.timings.push(*timing);
        Ok(())
    }
}

pub(crate) fn run(
    kind: ExecutorKind,
    from: &Checkpoint,
    config: &TrainConfig,
    batches: &mut dyn BatchSource,
    penalty: &dyn Fn(usize) -> Penalty,
    observer: &mut Recorder,
) -> Result<Trained, TrainError> {
    let options = ExecutorOptions { kind: Some(kind), threads: 2, ..ExecutorOptions::default() };
    run_with(&options, from, config, batches, penalty, observer)
}

pub(crate) fn run_with(
    options: &ExecutorOptions,
    from: &Checkpoint,
    config: &TrainConfig,
    batches: &mut dyn BatchSource,
    penalty: &dyn Fn(usize) -> Penalty,
    observer: &mut dyn Observer,
) -> Result<Trained, TrainError> {
    let mut executor = build_executor(from.model.graph(), &from.weights, options).unwrap();
    train_on(&mut *executor, from, config, batches, penalty, observer)
}

pub(crate) fn train_on(
    executor: &mut dyn Executor,
    from: &Checkpoint,
    config: &TrainConfig,
    batches: &mut dyn BatchSource,
    penalty: &dyn Fn(usize) -> Penalty,
    observer: &mut dyn Observer,
) -> Result<Trained, TrainError> {
    train_together(executor, from, config, batches, penalty, observer, None)
}

pub(crate) fn train_together(
    executor: &mut dyn Executor,
    from: &Checkpoint,
    config: &TrainConfig,
    batches: &mut dyn BatchSource,
    penalty: &dyn Fn(usize) -> Penalty,
    observer: &mut dyn Observer,
    ranks: Option<&mut dyn Collective>,
) -> Result<Trained, TrainError> {
    // The fitness falls from epoch to epoch, so the first epoch is the best.
    let mut epoch = from.train.as_ref().map_or(0, |t| t.progress.epoch);
    let mut evaluate = |_: &Checkpoint| {
        epoch += 1;
        Ok(Evaluation { map50: 1.0 / epoch as f64, ..Evaluation::default() })
    };
    train(
        from,
        config,
        Services {
            executor,
            batches,
            evaluate: &mut evaluate,
            penalty: PenaltyPlan::ByEpoch(penalty),
            distill: None,
            codes: None,
            // Shortens the lifetime of the trait object to that of the reference.
            ranks: ranks.map(|ranks| ranks as &mut dyn Collective),
            class_weights: None,
            observer,
        },
    )
}

pub(crate) fn no_penalty(_: usize) -> Penalty {
    Penalty::default()
}
