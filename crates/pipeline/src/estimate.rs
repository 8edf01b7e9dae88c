//! [`Estimate`]: what a stage would cost.

use serde::Serialize;

/// Where an estimate comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Basis {
    /// An earlier run in the same directory.
    #[serde(rename = "as last time")]
    LastTime,
    /// A run of the network on one image, and counting.
    #[serde(rename = "estimated from MACs")]
    Macs,
}

impl Basis {
    /// In words.
    pub const fn words(self) -> &'static str {
        match self {
            Self::LastTime => "as last time",
            Self::Macs => "estimated from MACs",
        }
    }
}

/// What a stage would cost.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Estimate {
    /// Wall-clock seconds.
    pub seconds: f64,
    /// Most resident memory, in MiB.
    pub memory_mib: f64,
    /// Bytes of what it leaves.
    pub disk_bytes: u64,
    /// Where the numbers come from.
    pub basis: Basis,
}
