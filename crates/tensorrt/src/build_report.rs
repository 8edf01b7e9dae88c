//! [`BuildReport`]: a finished engine.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::{Backend, EnginePrecision, Measurement, Version};

/// A finished engine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BuildReport {
    /// The builder.
    pub backend: Backend,
    /// Path of the plan.
    pub engine: PathBuf,
    /// Path of the log with everything that the builder printed.
    pub log: PathBuf,
    /// Size of the plan in bytes.
    pub engine_bytes: u64,
    /// Arithmetic of the engine.
    pub precision: EnginePrecision,
    /// Version of the builder; only this version can load the engine.
    pub version: Version,
    /// The arguments of the tool, with output files at their final paths. Empty for a library.
    pub argv: Vec<String>,
    /// Seconds from start to end of the builder.
    pub wall_seconds: f64,
    /// Metrics that the builder printed.
    pub measurement: Measurement,
}
