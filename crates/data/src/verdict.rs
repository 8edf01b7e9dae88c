//! [`inspect`]: decodes an image once and records whether it can be used.
//!
//! Training, evaluation, calibration, the comparison of exported files and the report's examples all take
//! their images from a scan, and decode them as the scan did ([`decode_bytes`]). An image that passes here
//! can be decoded by all of them; an image that fails is left out everywhere, with its labels.

use std::fmt::Write as _;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::decode::{Fidelity, admit, decode_bytes, read, regular};
use crate::error::reason;
use crate::scan_cache::{ScanCache, Stamp};

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

/// Inspects an image file: reuses the verdict on this file or on the same content, or else decodes it.
pub(crate) fn inspect(image: &Path, known: &ScanCache) -> Inspection {
    let unreadable = |reason| Inspection { verdict: Verdict::Unusable(reason), of: None };
    let stamp = match regular(image) {
        Ok(metadata) => Stamp::from_metadata(&metadata),
        Err(error) => return unreadable(error.to_string()),
    };
    if let Some((verdict, digest)) = known.unchanged(image, stamp) {
        return Inspection { verdict: verdict.clone(), of: Some((stamp, digest.to_owned())) };
    }
    let bytes = match read(image) {
        Ok(bytes) => bytes,
        Err(error) => return unreadable(reason(&error)),
    };
    let digest = Sha256::digest(&bytes).iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    });
    let verdict = known.of_content(&digest).cloned().unwrap_or_else(|| look_at(&bytes));
    Inspection { verdict, of: Some((stamp, digest)) }
}

/// Decodes the content of a file.
fn look_at(bytes: &[u8]) -> Verdict {
    match decode_bytes(bytes, Fidelity::Fast) {
        Ok(decoded) => Verdict::Usable { size: decoded.image.dimensions(), doubt: decoded.doubt },
        // Some decoders end their messages with a line break.
        Err(error) => Verdict::Unusable(error.to_string().trim().to_owned()),
    }
}
