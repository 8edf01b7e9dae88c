//! [`ComputeCapability`]: architectures of GPUs, as NVIDIA numbers them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A compute capability, such as 8.6; ordered. Written `8.6` or `86`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ComputeCapability {
    major: u8,
    minor: u8,
}

/// Error for a text that is not a compute capability of TensorRT-RTX.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no compute capability of TensorRT-RTX; choose from {}", known())]
pub struct ComputeCapabilityError {
    text: String,
}

fn known() -> String {
    ComputeCapability::KNOWN.map(|capability| capability.to_string()).join(", ")
}

impl ComputeCapability {
    /// The compute capabilities that TensorRT-RTX 1.7 can build for: Turing, Ampere (two), Ada Lovelace,
    /// Blackwell, GB10.
    pub const KNOWN: [Self; 6] = [
        Self { major: 7, minor: 5 },
        Self { major: 8, minor: 0 },
        Self { major: 8, minor: 6 },
        Self { major: 8, minor: 9 },
        Self { major: 12, minor: 0 },
        Self { major: 12, minor: 1 },
    ];

    /// The number without a point: 86 for 8.6.
    pub fn number(self) -> u32 {
        u32::from(self.major) * 10 + u32::from(self.minor)
    }
}

impl fmt::Display for ComputeCapability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl FromStr for ComputeCapability {
    type Err = ComputeCapabilityError;

    fn from_str(text: &str) -> Result<Self, ComputeCapabilityError> {
        let wanted = text.trim();
        let is =
            |capability: &Self| capability.to_string() == wanted || capability.number().to_string() == wanted;
        Self::KNOWN.into_iter().find(is).ok_or_else(|| ComputeCapabilityError { text: text.to_owned() })
    }
}

impl TryFrom<String> for ComputeCapability {
    type Error = ComputeCapabilityError;

    fn try_from(text: String) -> Result<Self, ComputeCapabilityError> {
        text.parse()
    }
}

impl From<ComputeCapability> for String {
    fn from(capability: ComputeCapability) -> Self {
        capability.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::ComputeCapability;

    #[test]
    fn both_spellings_are_read_and_others_refused() {
        for (text, number) in [("8.6", 86), ("86", 86), (" 12.0", 120), ("121", 121), ("7.5", 75)] {
            assert_eq!(text.parse::<ComputeCapability>().unwrap().number(), number);
        }
        for text in ["", "8", "8.7", "860", "sm_86", "1.20"] {
            let error = text.parse::<ComputeCapability>().unwrap_err().to_string();
            assert!(error.contains("7.5, 8.0, 8.6"), "{error}");
        }
    }
}
