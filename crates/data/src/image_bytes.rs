//! [`decode_bytes`]: decodes the content of an image file that is in memory.

use image::RgbImage;

use crate::Undecodable;
use crate::decode;
use crate::decode_limits::{Fidelity, MOST_BYTES};

/// As [`decode`](crate::decode()), for the content of an image file, such as the body of a request.
///
/// # Errors
/// [`Undecodable`] for bytes that are not a picture, or one that is too large; the size is checked before a
/// decoder allocates memory for it.
pub fn decode_bytes(bytes: &[u8]) -> Result<RgbImage, Undecodable> {
    let length = bytes.len() as u64;
    if length > MOST_BYTES {
        return Err(Undecodable::FileTooLarge(length));
    }
    Ok(decode::decode_bytes(bytes, Fidelity::Exact)?.image)
}
