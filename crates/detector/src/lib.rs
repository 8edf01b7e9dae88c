#![doc = include_str!("../README.md")]

mod config;
mod decode;
mod detector;
mod draw;
mod engine;
mod error;
mod network;
mod onnx;
mod origin;
mod outputs;
mod rect;
mod runtime;

pub use config::{DEFAULT_IMGSZ, DetectOptions};
pub use decode::decode;
pub use detector::Detector;
pub use draw::{DrawOptions, class_colour, draw_detections, draw_detections_with, draw_missed};
pub use engine::write_engine;
pub use error::DetectorError;
pub use onnx::{LibrarySearch, LoadOptions, OnnxSignature, OutputLayout, Trial, try_onnx};
pub use origin::{FileKind, Origin};
pub use outputs::Outputs;
pub use runtime::Runtime;
