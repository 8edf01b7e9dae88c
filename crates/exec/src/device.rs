//! [`Device`]: the processor that runs a network.

use std::fmt;
use std::str::FromStr;

use crate::UnknownName;

/// Whether this program can run on NVIDIA GPUs: it was built with feature `cuda`.
pub const CUDA_BUILT_IN: bool = cfg!(feature = "cuda");

/// A processor, named as in PyTorch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Device {
    /// The CPU of the host.
    #[default]
    Cpu,
    /// An NVIDIA GPU by index; needs the feature `cuda`.
    Cuda(usize),
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => write!(f, "cpu"),
            Self::Cuda(index) => write!(f, "cuda:{index}"),
        }
    }
}

impl FromStr for Device {
    type Err = UnknownName;

    fn from_str(s: &str) -> Result<Self, UnknownName> {
        match s {
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda(0)),
            // A bare number is a GPU, as in the arguments of Ultralytics.
            _ => s
                .strip_prefix("cuda:")
                .or(Some(s).filter(|s| s.bytes().all(|byte| byte.is_ascii_digit())))
                .and_then(|i| i.parse().ok())
                .map(Self::Cuda)
                .ok_or_else(|| UnknownName::new("device", s, "cpu, cuda:0 or 0")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for device in [Device::Cpu, Device::Cuda(0), Device::Cuda(3)] {
            assert_eq!(device.to_string().parse(), Ok(device));
        }
        assert_eq!("3".parse(), Ok(Device::Cuda(3)));
        assert!("cuda:".parse::<Device>().is_err() && "".parse::<Device>().is_err());
        assert_eq!("gpu".parse::<Device>().unwrap_err().got, "gpu");
    }
}
