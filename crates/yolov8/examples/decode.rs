//! Example: YOLOv8n as data, and boxes decoded from any head outputs.
//!
//! `cargo run --release -p bonsai-yolov8 --example decode`

#![allow(clippy::print_stdout, reason = "printing is what an example is for")]

use bonsai_graph::Size;
use bonsai_yolov8::{HeadOutput, LevelOutput, NmsOptions, Scale, build, decode, nms};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let names: Vec<String> = (0..80).map(|class| format!("class {class}")).collect();
    let params = build(Scale::N, &names)?.graph().cost(Size::square(640))?.params;
    assert_eq!(params, 3_157_184);

    let box_logits = vec![0.0; 64 * 16];
    let mut cls_logits = vec![-9.0; 16];
    cls_logits[5] = 4.0;
    let level = LevelOutput { box_logits: &box_logits, cls_logits: &cls_logits, h: 4, w: 4, stride: 8 };
    let head = HeadOutput::new(1, 1, 16, vec![level])?;
    let detections = nms(&decode(&head), &NmsOptions::PREDICT);
    assert_eq!(detections[0].len(), 1);
    println!("yolov8: {params} params, one box of confidence {:.3}", detections[0][0].confidence);
    Ok(())
}
