//! Example: trains your own network on your own batches.
//!
//! `cargo run --release -p bonsai-train --example one_image`

#![allow(clippy::print_stdout, reason = "printing is what an example is for")]

use bonsai_boxes::Cxcywh;
use bonsai_checkpoint::{Array, Checkpoint};
use bonsai_exec::{ExecutorOptions, build_executor};
use bonsai_graph::{DetectHead, Graph, ModelSpec};
use bonsai_train::{
    Batch, BatchResult, BatchSource, Evaluation, NoObserver, Penalty, PenaltyPlan, Services, TrainConfig,
    train,
};
use bonsai_yolov8::{Target, init};

/// A batch source with a single grey image that has one object in the middle.
struct OneImage;

impl BatchSource for OneImage {
    fn batches(&self) -> usize {
        1
    }

    fn epoch(&mut self, _: usize, _first: usize) -> Box<dyn Iterator<Item = BatchResult> + '_> {
        let bbox = Cxcywh { cx: 0.5, cy: 0.5, w: 0.5, h: 0.5 };
        Box::new(std::iter::once(Ok(Batch {
            images: Array::new(&[1, 3, 32, 32], vec![0.5; 3 * 32 * 32]),
            targets: vec![Target { image: 0, class_id: 0, bbox }],
            names: vec!["grey".to_owned()],
        })))
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let graph: Graph = "
        x = input() channels=3
        stem = conv2d(x) out_channels=8 kernel=3 stride=8 padding=1 bias=false
        stem.bn = batch_norm(stem) eps=0.001 momentum=0.03
        boxes = conv2d(stem.bn) out_channels=16 kernel=1 stride=1 padding=0 bias=true
        classes = conv2d(stem.bn) out_channels=1 kernel=1 stride=1 padding=0 bias=true
        outputs = boxes, classes
    "
    .parse()?;
    let head = DetectHead {
        num_classes: 1,
        reg_max: 4,
        strides: vec![8],
        box_outputs: vec![0],
        cls_outputs: vec![1],
    };
    let start: Checkpoint = init(&ModelSpec::new(graph, head, vec!["cell".to_owned()])?, 0)?;
    let mut executor = build_executor(start.model.graph(), &start.weights, &ExecutorOptions::default())?;
    let config = TrainConfig { epochs: 3, batch: 1, nbs: 1, warmup_epochs: 0.0, ..TrainConfig::default() };
    let services = Services {
        executor: &mut *executor,
        batches: &mut OneImage,
        evaluate: &mut |_| Ok(Evaluation::default()),
        penalty: PenaltyPlan::ByEpoch(&|_| Penalty::default()),
        distill: None,
        codes: None,
        ranks: None,
        class_weights: None,
        observer: &mut NoObserver,
    };
    let trained = train(&start, &config, services)?;
    assert_eq!(trained.history.len(), 3);
    assert_ne!(trained.last.weights.require("stem.weight")?, start.weights.require("stem.weight")?);
    println!("train: {} epochs", trained.history.len());
    Ok(())
}
