//! From an ONNX file to a TensorRT engine through `trtexec`.
//!
//! NVIDIA ships TensorRT's builder as a command line tool whose options changed with every major version.
//! [`find_trtexec`] finds it and asks it what it is ([`Capabilities`]), [`argv`] is the pure translation of
//! [`BuildOptions`] into its words, and [`build`] runs it under a time limit.
//! [`build_if_possible`] does all three and turns what a machine lacks into [`EngineOutcome::NotRun`].
//!
//! Invariant: the engine file appears under its name only when `trtexec` exited with 0, said `&&&& PASSED`
//! and wrote a file that starts as a plan does. Until then it lives in a folder that is removed whatever
//! happens; the log is kept either way.
//!
//! This crate reads no environment variable (the caller passes an [`Environment`]), prints nothing, does not
//! parse the ONNX file and cannot run an engine. TensorRT-RTX and the in-process builder come later.
//!
//! ```
//! use bonsai_tensorrt::{BuildOptions, Capabilities, Precision, argv};
//!
//! let help = "&&&& RUNNING TensorRT.trtexec [TensorRT v8601] # trtexec --help\n  --fp16  Enable fp16\n";
//! let capabilities = Capabilities::from_help(help).expect("the banner is there");
//! assert_eq!(capabilities.version.to_string(), "8.6.1");
//!
//! let options = BuildOptions { precision: Precision::Fp16, ..BuildOptions::new("yolov8n.onnx",
//! "yolov8n.engine") }; let words = argv(&capabilities, &options)?;
//! assert_eq!(words, ["--onnx=yolov8n.onnx", "--saveEngine=yolov8n.engine", "--fp16"]);
//! # Ok::<(), bonsai_tensorrt::OptionsError>(())
//! ```

mod arguments;
mod builder;
mod capabilities;
mod finder;
mod measurement;
mod options;
mod outcome;
mod plan;
mod process;
mod version;

pub use arguments::{OptionsError, argv};
pub use builder::{BuildError, build};
pub use capabilities::Capabilities;
pub use finder::{Environment, FindOptions, NotFound, Trtexec, find_trtexec};
pub use measurement::{Latency, Measurement};
pub use options::{BuildOptions, Precision, ShapeProfile};
pub use outcome::{BuildReport, EngineOutcome, build_if_possible};
pub use plan::{PlanError, check_plan};
pub use version::Version;
