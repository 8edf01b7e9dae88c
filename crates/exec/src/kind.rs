//! [`ExecutorKind`]: the implementations of an executor, by name.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::UnknownName;

/// An implementation of [`Executor`](crate::Executor).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExecutorKind {
    /// The project's own kernels, on the host.
    Cpu,
    /// candle, on the host or on a GPU.
    Candle,
    /// The project's own kernels, on a GPU.
    Cuda,
}

impl ExecutorKind {
    /// All implementations, also those that are not part of this program.
    pub const ALL: [Self; 3] = [Self::Cpu, Self::Candle, Self::Cuda];

    /// `cpu`, `candle` or `cuda`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Candle => "candle",
            Self::Cuda => "cuda",
        }
    }
}

impl fmt::Display for ExecutorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for ExecutorKind {
    type Err = UnknownName;

    fn from_str(s: &str) -> Result<Self, UnknownName> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.name() == s)
            .ok_or_else(|| UnknownName::new("executor", s, "cpu, candle or cuda"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for kind in ExecutorKind::ALL {
            assert_eq!(kind.to_string().parse(), Ok(kind));
        }
        let message = "onnx".parse::<ExecutorKind>().unwrap_err().to_string();
        assert_eq!(message, "unknown executor \"onnx\"; expected cpu, candle or cuda");
    }
}
