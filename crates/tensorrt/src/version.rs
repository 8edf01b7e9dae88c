//! [`Version`]: the version of TensorRT, as `trtexec` writes it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A TensorRT version; ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Version {
    /// 8, 10 or 11 for the versions of TensorRT that this crate was written for, 1 for TensorRT-RTX.
    pub major: u32,
    /// Minor version.
    pub minor: u32,
    /// Patch.
    pub patch: u32,
}

impl Version {
    /// Reads the number of the banner: major * 1000 + minor * 100 + patch up to version 9 (`8601` is 8.6.1),
    /// major * 10000 + minor * 100 + patch from version 10 on (`101600` is 10.16.0).
    pub fn from_banner_number(number: u32) -> Self {
        let unit = if number < 10_000 { 1_000 } else { 10_000 };
        Self { major: number / unit, minor: number % unit / 100, patch: number % 100 }
    }

    /// Finds `[TensorRT vNNNN]` in the banner line `&&&& RUNNING TensorRT.trtexec [TensorRT v8601] # ...`;
    /// the word before the version may be longer, as in TensorRT-RTX's banner.
    pub fn from_banner(line: &str) -> Option<Self> {
        let (_, rest) = line.split_once("[TensorRT")?;
        let (inside, _) = rest.split_once(']')?;
        let (_, number) = inside.rsplit_once(" v")?;
        number.parse().ok().map(Self::from_banner_number)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

#[cfg(test)]
mod tests {
    use super::Version;

    #[test]
    fn both_encodings_are_read() {
        for (number, expected) in [
            ("8601", "8.6.1"),
            ("8503", "8.5.3"),
            ("9300", "9.3.0"),
            ("100001", "10.0.1"),
            ("101600", "10.16.0"),
            ("110100", "11.1.0"),
            ("10701", "1.7.1"),
        ] {
            let line = format!("&&&& RUNNING TensorRT.trtexec [TensorRT v{number}] [b12] # trtexec --help");
            assert_eq!(Version::from_banner(&line).unwrap().to_string(), expected);
        }
    }

    #[test]
    fn other_lines_are_no_banner() {
        for line in
            ["", "usage: trtexec", "[TensorRT v]", "[TensorRT v8601", "[TensorRT v99999999999]", "[TensorRT]"]
        {
            assert_eq!(Version::from_banner(line), None, "{line}");
        }
    }
}
