//! [`Backend`] and [`BackendChoice`]: the three ways to build an engine.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{EngineKind, Program, UnknownName};

/// A builder of engines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Backend {
    /// TensorRT's command line tool; needs a GPU.
    Trtexec,
    /// TensorRT-RTX's command line tool.
    TensorrtRtx,
    /// TensorRT-RTX's library in this process (feature `rtx`); needs no GPU.
    Rtx,
}

impl Backend {
    /// The kind of engine that it builds.
    pub fn engine_kind(self) -> EngineKind {
        match self {
            Self::Trtexec => EngineKind::TensorRt,
            Self::TensorrtRtx | Self::Rtx => EngineKind::TensorRtRtx,
        }
    }
}

impl From<Program> for Backend {
    fn from(program: Program) -> Self {
        match program {
            Program::Trtexec => Self::Trtexec,
            Program::TensorrtRtx => Self::TensorrtRtx,
        }
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Trtexec => "trtexec",
            Self::TensorrtRtx => "tensorrt_rtx",
            Self::Rtx => "rtx",
        })
    }
}

/// The requested backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BackendChoice {
    /// The first that is installed, in the order of [`Backend`].
    #[default]
    Auto,
    /// [`Backend::Trtexec`] and no other.
    Trtexec,
    /// [`Backend::TensorrtRtx`] and no other.
    TensorrtRtx,
    /// [`Backend::Rtx`] and no other.
    Rtx,
}

impl BackendChoice {
    /// The backends to try, in order.
    pub(crate) fn candidates(self) -> &'static [Backend] {
        match self {
            Self::Auto => &[Backend::Trtexec, Backend::TensorrtRtx, Backend::Rtx],
            Self::Trtexec => &[Backend::Trtexec],
            Self::TensorrtRtx => &[Backend::TensorrtRtx],
            Self::Rtx => &[Backend::Rtx],
        }
    }
}

impl FromStr for BackendChoice {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        match text {
            "auto" => Ok(Self::Auto),
            "trtexec" => Ok(Self::Trtexec),
            "tensorrt_rtx" => Ok(Self::TensorrtRtx),
            "rtx" => Ok(Self::Rtx),
            _ => Err(UnknownName::new("backend", text, "auto, trtexec, tensorrt_rtx or rtx")),
        }
    }
}
