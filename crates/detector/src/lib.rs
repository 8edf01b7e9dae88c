//! [`Detector`]: loads a model file and detects objects in an image.
//!
//! [`Detector::load`] takes a Bonsai checkpoint, a CPU engine ([`write_engine`]), an Ultralytics `.pt` or an
//! ONNX file, which it distinguishes by their content. [`Detector::detect`] returns detections in pixels of
//! the original picture; [`Detector::run`] returns the raw results for prepared images, for validation and
//! parity checks; [`draw_detections`] draws detections into a picture, and [`decode()`] decodes one from
//! bytes.
//!
//! An executor runs Bonsai networks. A [`Runtime`] that shares no code with the executors runs an ONNX file
//! as it is, so its metrics are those of the file itself.
//!
//! The feature `rten`, on by default, brings the runtime in pure Rust, and the feature `ort` brings
//! onnxruntime. Without both, this crate loads checkpoints and engines, and refuses ONNX files with
//! [`DetectorError::NoRuntime`].
//!
//! Invariant: a checkpoint is always run with folded batch norms, so it agrees with the engine written from
//! it. This crate trains nothing, changes no weights and reads no image files.
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
//! assert!(detections.is_empty(), "an untrained network has low confidence");
//! draw_detections(&mut picture, &detections, detector.class_names());
//! # Ok(())
//! # }
//! ```
//!
//! # Threads
//!
//! [`Detector::detect`] takes `&mut self`, because each run reuses the memory of the run before. A detector
//! can be sent to another thread, but it is not [`Sync`]: threads that share one take turns, with a
//! [`Mutex`](std::sync::Mutex) around it. To detect in several pictures at once, make one detector for each
//! thread from clones of one checkpoint. Each detector has weights, memory and threads of its own (candle
//! without a number of threads uses rayon's), so divide the cores among them:
//!
//! ```no_run
//! use bonsai_checkpoint::Checkpoint;
//! use bonsai_detector::{Detector, DetectorError, decode};
//! use bonsai_exec::ExecutorOptions;
//!
//! # fn main() -> Result<(), DetectorError> {
//! let checkpoint = Checkpoint::open("best.safetensors".as_ref())?;
//! let pictures: Vec<Vec<u8>> = ["a.jpg", "b.png"].iter().filter_map(|p| std::fs::read(p).ok()).collect();
//! std::thread::scope(|scope| {
//!     for part in pictures.chunks(pictures.len().div_ceil(2).max(1)) {
//!         let options = ExecutorOptions { threads: 1, ..ExecutorOptions::default() };
//!         let mut detector = Detector::from_checkpoint(checkpoint.clone(), options)?;
//!         scope.spawn(move || {
//!             for bytes in part {
//!                 let found = detector.detect(&decode(bytes)?, &detector.config())?;
//!                 println!("{} objects", found.len());
//!             }
//!             Ok::<(), DetectorError>(())
//!         });
//!     }
//!     Ok(())
//! })
//! # }
//! ```

mod config;
mod decode;
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
mod runtime;

pub use config::{DEFAULT_IMGSZ, DetectConfig};
pub use decode::decode;
pub use detector::Detector;
pub use draw::{class_colour, draw_detections};
pub use engine::write_engine;
pub use error::DetectorError;
pub use onnx::{LibrarySearch, LoadOptions, OnnxSignature, OutputLayout, Trial, try_onnx};
pub use origin::{FileKind, Origin};
pub use outputs::Outputs;
pub use runtime::Runtime;
