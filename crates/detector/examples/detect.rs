//! Example: writes and loads an engine, and finds objects in a picture.
//!
//! `cargo run --release -p bonsai-detector --example detect`

#![allow(clippy::print_stdout, reason = "printing is what an example is for")]

use bonsai_data::shapes;
use bonsai_detector::{DetectOptions, Detector, draw_detections, write_engine};
use bonsai_exec::Device;
use bonsai_yolov8::{Scale, build, init};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let checkpoint = init(&build(Scale::N, &["cell".to_owned()])?, 0)?;
    let file = folder.path().join("untrained.cpu.safetensors");
    write_engine(&checkpoint, &file)?;

    let mut detector = Detector::load(&file, Device::Cpu)?;
    let (mut picture, _) = shapes::sample(1, 64);
    // An untrained network has low scores, so it only detects objects without a threshold.
    let config = DetectOptions { imgsz: 64, confidence: 0.0, max_detections: 3, ..detector.config() };
    let detections = detector.detect(&picture, &config)?;
    assert_eq!(detections.len(), 3);
    draw_detections(&mut picture, &detections, detector.class_names());
    println!("detector: {} boxes of at most {:.3}", detections.len(), detections[0].confidence);
    Ok(())
}
