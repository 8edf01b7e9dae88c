//! Example: the mAP of any detections.
//!
//! `cargo run --release -p bonsai-metrics --example mean_average_precision`

#![allow(clippy::print_stdout, reason = "printing is what an example is for")]

use bonsai_boxes::{Detection, GroundTruth, Xyxy};
use bonsai_metrics::Evaluator;

fn main() {
    let bbox = Xyxy { x1: 10.0, y1: 10.0, x2: 50.0, y2: 50.0 };
    let mut evaluator = Evaluator::new(1);
    evaluator
        .add_image(&[Detection { bbox, confidence: 0.9, class_id: 0 }], &[GroundTruth { bbox, class_id: 0 }]);
    let metrics = evaluator.finish();
    assert!(metrics.map50 > 0.9);
    println!("metrics: mAP50 {:.3}", metrics.map50);
}
