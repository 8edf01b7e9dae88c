//! [`Program`]: the command line tools that build engines.

use serde::{Deserialize, Serialize};

use crate::EngineKind;

/// A command line tool from NVIDIA.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Program {
    /// The tool of TensorRT.
    Trtexec,
    /// The tool of TensorRT-RTX.
    TensorrtRtx,
}

impl Program {
    /// Name of its file, without the suffix of the operating system.
    pub fn file_name(self) -> &'static str {
        match self {
            Self::Trtexec => "trtexec",
            Self::TensorrtRtx => "tensorrt_rtx",
        }
    }

    /// The environment variable for its path.
    pub fn variable(self) -> &'static str {
        match self {
            Self::Trtexec => "TRTEXEC",
            Self::TensorrtRtx => "TENSORRT_RTX",
        }
    }

    /// The kind of engine that it builds.
    pub fn engine_kind(self) -> EngineKind {
        match self {
            Self::Trtexec => EngineKind::TensorRt,
            Self::TensorrtRtx => EngineKind::TensorRtRtx,
        }
    }

    /// Folders into which NVIDIA's packages, archives and containers install it.
    pub fn usual_folders(self) -> &'static [&'static str] {
        match self {
            Self::Trtexec => &[
                "/usr/src/tensorrt/bin",
                "/usr/local/tensorrt/bin",
                "/opt/tensorrt/bin",
                "/opt/TensorRT/bin",
            ],
            Self::TensorrtRtx => {
                &["/usr/local/tensorrt-rtx/bin", "/opt/tensorrt-rtx/bin", "/opt/TensorRT-RTX/bin"]
            }
        }
    }
}
