//! [`decode`]: a picture from encoded bytes, such as the body of a request or the frame of a camera.

use bonsai_data::{RgbImage, decode_bytes};

use crate::DetectorError;

/// Decodes an image (BMP, GIF, JPEG, JPEG 2000, PNG, TIFF or WebP) for [`Detector::detect`], to the same
/// pixels as [`bonsai_data::decode`] decodes a file.
///
/// The bytes may come from anyone: a decoder that panics gives an error, and width and height are compared
/// with the limits (134 million pixels, 1 GiB of memory) before memory is allocated for them.
///
/// [`Detector::detect`]: crate::Detector::detect
///
/// # Errors
/// [`DetectorError::Picture`] with the reason: no bytes, more than 512 MiB of them, an unknown format, a
/// damaged or truncated image, or one that is too large.
pub fn decode(bytes: &[u8]) -> Result<RgbImage, DetectorError> {
    Ok(decode_bytes(bytes)?)
}
