//! Tests of exported files: their form, their results in an independent reader, and reading them back.

#![allow(clippy::unwrap_used, reason = "a test reports by panicking")]

mod codes;
mod deep;
mod footprint;
mod form;
mod half;
mod int8;
mod nms;
mod parity;
mod reader;
mod reading;

use bonsai_checkpoint::Checkpoint;
use bonsai_yolov8::{Scale, build, init};

/// The smallest YOLOv8 with fresh weights.
fn yolov8n(class_names: &[&str]) -> Checkpoint {
    let names: Vec<String> = class_names.iter().map(|n| (*n).to_owned()).collect();
    init(&build(Scale::N, &names).unwrap(), 3).unwrap()
}
