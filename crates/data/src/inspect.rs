//! [`inspect`]: decodes an image once, or takes the verdict from the cache.

use std::fmt::Write as _;
use std::path::Path;

use sha2::{Digest as _, Sha256};

use crate::decode::{decode_bytes, read, regular};
use crate::decode_limits::Fidelity;
use crate::error::reason;
use crate::scan_cache::ScanCache;
use crate::stamp::Stamp;
use crate::verdict::{Inspection, Verdict};

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
