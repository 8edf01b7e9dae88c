//! [`ComputePrecision`]: how a GPU multiplies in convolutions, and stores what is between layers.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::UnknownName;

/// How the CUDA executor multiplies in convolutions, and how it stores values between layers. Sums, images, outputs,
/// parameters, their gradients, statistics and checkpoints are `f32` in all cases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ComputePrecision {
    /// Products of `f32` values.
    F32,
    /// Products on tensor cores, whose operands are rounded to 10 bits of fraction (TF32).
    #[default]
    Tf32,
    /// As `Tf32`; the values between layers and their gradients are stored in two bytes each, with 7 bits of fraction and
    /// the range of `f32` (bf16).
    Bf16,
}

impl ComputePrecision {
    /// All precisions.
    pub const ALL: [Self; 3] = [Self::F32, Self::Tf32, Self::Bf16];

    /// `f32`, `tf32` or `bf16`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Tf32 => "tf32",
            Self::Bf16 => "bf16",
        }
    }
}

impl fmt::Display for ComputePrecision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for ComputePrecision {
    type Err = UnknownName;

    fn from_str(s: &str) -> Result<Self, UnknownName> {
        let found = Self::ALL.into_iter().find(|precision| precision.name() == s);
        found.ok_or_else(|| UnknownName::new("precision", s, "f32, tf32 or bf16"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for precision in ComputePrecision::ALL {
            assert_eq!(precision.to_string().parse(), Ok(precision));
        }
        let message = "fp16".parse::<ComputePrecision>().unwrap_err().to_string();
        assert_eq!(message, "unknown precision \"fp16\"; expected f32, tf32 or bf16");
    }
}
