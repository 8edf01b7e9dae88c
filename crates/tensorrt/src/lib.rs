#![doc = include_str!("../README.md")]

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
mod unknown_name;
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
pub use options::{BuildOptions, EnginePrecision, HardwareCompatibility, ProfilingExports};
pub use outcome::{EngineOutcome, build_if_possible, engine_path};
pub use places::Places;
pub use plan::{EngineKind, EnginePlanError, HEADER_BYTES, HeaderError, PlanHeader};
pub use preflight::{BuilderTraits, PreflightError, preflight};
pub use program::Program;
pub(crate) use rtx::build_with_library;
pub use rtx::{RTX_BUILT_IN, RtxLibraries, find_libraries};
pub use shape_profile::{ProfileError, ShapeProfile};
pub use ultralytics::{
    EngineFile, EngineFileError, EngineMetadata, add_metadata, metadata_prefix, remove_metadata,
};
pub use unknown_name::UnknownName;
pub use version::Version;
