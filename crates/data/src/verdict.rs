//! [`Verdict`]: whether an image can be used.
//!
//! Training, evaluation, calibration, the comparison of exported files and the report's examples all take
//! their images from a scan, and decode them as the scan did ([`decode_bytes`](crate::decode::decode_bytes)). An image that passes here
//! can be decoded by all of them; an image that fails is left out everywhere, with its labels.

use serde::{Deserialize, Serialize};

use crate::decode_limits::admit;
use crate::stamp::Stamp;

/// Result of decoding an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Verdict {
    /// The file is a picture.
    Usable {
        /// Width and height in pixels, EXIF orientation applied.
        size: (u32, u32),
        /// Reason for doubt, such as a decoder that refuses the file.
        doubt: Option<String>,
    },
    /// The file is not a picture, for this reason.
    Unusable(String),
}

impl Verdict {
    /// Whether decoding can give this verdict: other programs may have written the cache file.
    pub(crate) fn is_possible(&self) -> bool {
        match self {
            Self::Usable { size, .. } => size.0 > 0 && size.1 > 0 && admit(*size, 0).is_ok(),
            Self::Unusable(_) => true,
        }
    }
}

/// A verdict and the file that it is about.
#[derive(Debug)]
pub(crate) struct Inspection {
    pub(crate) verdict: Verdict,
    /// Stamp of the file and digest of its content; `None` if the file cannot be read, which may be
    /// temporary.
    pub(crate) of: Option<(Stamp, String)>,
}
