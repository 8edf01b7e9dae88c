//! Load an artefact, detect objects in an image.
//!
//! [`Detector::load`] takes a Bonsai checkpoint, a CPU engine ([`write_engine`]), an Ultralytics `.pt` or an ONNX file,
//! told apart by their content. [`Detector::detect`] answers in pixels of the picture as it was;
//! [`Detector::run`] gives what validation and parity checks need of prepared images; [`draw_detections`] makes the
//! answer visible.
//!
//! A network of ours is run by an executor; an ONNX file is run as it is by a [`Runtime`] that shares no code with it, so
//! its figures are those of the artefact itself.
//!
//! Invariant: what is run of a checkpoint is the folded network, so it and the engine written from it agree.
//! This crate trains nothing, changes no weights and reads no image files.
//!
//! ```
//! use bonsai_data::RgbImage;
//! use bonsai_detector::{Detector, draw_detections, write_engine};
//! use bonsai_exec::Device;
//! use bonsai_yolov8::{Scale, build, init};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let folder = tempfile::tempdir()?;
//! let mut checkpoint = init(&build(Scale::N, &["leaf".to_owned(), "twig".to_owned()])?, 0)?;
//! checkpoint.metadata.insert("imgsz".to_owned(), "64".to_owned());
//! let path = folder.path().join("untrained.engine");
//! write_engine(&checkpoint, &path)?;
//!
//! let mut detector = Detector::load(&path, Device::Cpu)?;
//! let mut picture = RgbImage::new(80, 60);
//! let config = detector.config();
//! assert_eq!(config.imgsz, 64);
//! let detections = detector.detect(&picture, &config)?;
//! assert!(detections.is_empty(), "an untrained network is sure of nothing");
//! draw_detections(&mut picture, &detections, detector.class_names());
//! # Ok(())
//! # }
//! ```

mod config;
mod detector;
mod draw;
mod engine;
mod error;
mod glyph;
mod network;
mod onnx;
mod origin;
mod outputs;
mod rect;

pub use config::{DEFAULT_IMGSZ, DetectConfig};
pub use detector::Detector;
pub use draw::{class_colour, draw_detections};
pub use engine::write_engine;
pub use error::DetectorError;
pub use onnx::{LibrarySearch, LoadOptions, OnnxSignature, OutputLayout, Runtime, Trial, try_onnx};
pub use origin::{FileKind, Origin};
pub use outputs::Outputs;
