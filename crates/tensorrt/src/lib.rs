//! Building of engines for TensorRT and TensorRT-RTX from ONNX files, and reading of such files.
//!
//! There are three builders ([`Backend`]). `trtexec` and its sibling `tensorrt_rtx` are command line tools
//! whose options changed with every major version: [`find_tool`] finds one and reads its options
//! ([`Capabilities`]), [`argv`] is the pure function that translates [`BuildOptions`] into its arguments, and
//! [`build`] runs it under a time limit. The third is TensorRT-RTX's library in this process, behind feature
//! `rtx`, which builds without a GPU.
//! [`build_if_possible`] uses the first builder that is installed; if the machine lacks something, the result
//! is [`EngineOutcome::NotRun`]. Before any builder starts, [`preflight`] reads the ONNX file and refuses
//! what cannot work.
//!
//! [`PlanHeader`] is the kind, version and size of a plan. [`EngineFile`] splits Ultralytics' form of an
//! engine, which has metadata before the plan.
//!
//! Invariant: the engine file appears under its name only after its builder succeeded (a tool: exited with 0
//! and printed `&&&& PASSED`) and wrote a file that starts like a plan. Until then it lies in a temporary
//! folder, which is removed in every case; the log is always kept.
//!
//! This crate reads no environment variable (the caller passes an [`Environment`]), prints nothing, and
//! cannot run an engine.
//!
//! ```
//! use bonsai_tensorrt::{BuildOptions, Capabilities, Precision, Program, argv};
//!
//! let help = "&&&& RUNNING TensorRT.trtexec [TensorRT v8601] # trtexec --help\n  --fp16  Enable fp16\n";
//! let capabilities = Capabilities::from_help(Program::Trtexec, help).expect("the banner is there");
//! assert_eq!(capabilities.title(), "TensorRT 8.6.1");
//!
//! let options = BuildOptions { precision: Some(Precision::Fp16), ..BuildOptions::new("n.onnx", "n.engine")
//! }; let words = argv(&capabilities, &options, Precision::Fp32)?; assert_eq!(words, ["--onnx=n.onnx",
//! "--saveEngine=n.engine", "--fp16"]);
//! # Ok::<(), bonsai_tensorrt::OptionsError>(())
//! ```

mod arguments;
mod backend;
mod build_report;
mod builder;
mod capabilities;
mod compute_capability;
mod error;
mod finder;
mod measurement;
mod onnx;
mod options;
mod outcome;
mod placement;
mod places;
mod plan;
mod preflight;
mod process;
mod program;
mod refusal;
mod rtx;
mod shape_profile;
mod ultralytics;
mod version;

pub use arguments::{OptionsError, argv};
pub use backend::{Backend, BackendChoice};
pub use build_report::BuildReport;
pub use builder::build;
pub use capabilities::Capabilities;
pub use compute_capability::{ComputeCapability, ComputeCapabilityError};
pub use error::BuildError;
pub use finder::{Environment, FindOptions, NotFound, Tool, find_tool};
pub use measurement::{Latency, Measurement};
pub use onnx::{Element, ForeignOperator, MixedLayer, OnnxFileError, OnnxSource, OnnxTensor};
pub use options::{BuildOptions, HardwareCompatibility, Precision, ProfilingExports};
pub use outcome::{EngineOutcome, build_if_possible, engine_path};
pub use places::Places;
pub use plan::{EngineKind, HEADER_BYTES, HeaderError, PlanError, PlanHeader};
pub use preflight::{BuilderTraits, PreflightError, preflight};
pub use program::Program;
pub(crate) use rtx::build_with_library;
pub use rtx::{RTX_BUILT_IN, RtxLibraries, find_libraries};
pub use shape_profile::{ProfileError, ShapeProfile};
pub use ultralytics::{
    EngineFile, EngineFileError, EngineMetadata, add_metadata, metadata_prefix, remove_metadata,
};
pub use version::Version;
