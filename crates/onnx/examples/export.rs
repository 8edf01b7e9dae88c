//! Example: exports an untrained YOLOv8n as an ONNX file.
//!
//! `cargo run --release -p bonsai-onnx --example export`

#![allow(clippy::print_stdout, reason = "printing is what an example is for")]

use bonsai_graph::Size;
use bonsai_onnx::{ExportOptions, OnnxInfo, export};
use bonsai_yolov8::{Scale, build, init};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let checkpoint = init(&build(Scale::N, &["cell".to_owned()])?, 0)?;
    let bytes = export(&checkpoint, &ExportOptions::new(Size::square(64)))?.to_bytes();
    let info = OnnxInfo::read(&bytes)?;
    assert_eq!(info.outputs[0].to_string(), "output0 FLOAT [1, 5, 84]");
    println!("onnx: {} bytes, {}", bytes.len(), info.outputs[0]);
    Ok(())
}
