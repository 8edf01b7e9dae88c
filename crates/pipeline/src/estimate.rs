//! [`Estimate`]: time, memory and disk space that a stage would take.

use serde::Serialize;

/// Where an estimate comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Basis {
    /// An earlier run of the stage in the same directory.
    #[serde(rename = "as last time")]
    LastTime,
    /// A timed run of the network on one image, scaled by counts.
    #[serde(rename = "estimated from MACs")]
    Macs,
}

impl Basis {
    /// The basis as text.
    pub const fn words(self) -> &'static str {
        match self {
            Self::LastTime => "as last time",
            Self::Macs => "estimated from MACs",
        }
    }
}

/// Time, memory and disk space that a stage would take.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Estimate {
    /// Wall-clock seconds.
    pub seconds: f64,
    /// Peak resident memory, in MiB.
    pub memory_mib: f64,
    /// Bytes of the files of the stage.
    pub disk_bytes: u64,
    /// The basis of the numbers.
    pub basis: Basis,
}
