//! [`decode`]: decodes JPEG 2000 in grey or colour, as a bare codestream or in the container of `.jp2` files.
//!
//! The decoder has no limits of its own, so this module checks the headers first.

mod boxes;
mod headers;

use hayro_jpeg2000::{ColorSpace, DecodeSettings, DecoderContext, Image};
use image::{DynamicImage, GrayAlphaImage, GrayImage, RgbImage, RgbaImage};

use self::headers::Headers;
use crate::decode_limits::{Undecodable, admit};

/// First bytes of a container.
const CONTAINER: &[u8] = b"\0\0\0\x0CjP  ";
/// First bytes of a bare codestream: the markers SOC and SIZ.
const PICTURE: &[u8] = b"\xFF\x4F\xFF\x51";
/// Bytes that the decoder takes per pixel for each channel of a palette: a 32-bit float and a byte.
const BYTES_PER_PALETTE_CHANNEL: u64 = 5;

/// Whether the bytes of a file begin as a JPEG 2000 picture does.
pub(crate) fn begins(bytes: &[u8]) -> bool {
    bytes.starts_with(CONTAINER) || bytes.starts_with(PICTURE)
}

/// Decodes a JPEG 2000 file.
///
/// # Errors
/// The reason for refusal; [`Undecodable::TooLarge`] before anything is allocated.
pub(crate) fn decode(bytes: &[u8]) -> Result<RgbImage, Undecodable> {
    let failed = |error: hayro_jpeg2000::DecodeError| Undecodable::Damaged(error.to_string());
    let refused = |reason: &str| Undecodable::Damaged(reason.to_owned());
    let is_contained = bytes.starts_with(CONTAINER);
    let (codestream, channels) =
        if is_contained { boxes::codestream(bytes).map_err(refused)? } else { (bytes, 0) };
    let headers = Headers::read(codestream).map_err(refused)?;
    let palette = BYTES_PER_PALETTE_CHANNEL * channels as u64;
    let _turn = admit(headers.size, headers.bytes_per_pixel().saturating_add(palette))?;
    if headers.tiles_are_tiny {
        return Err(refused("its tiles are less than 64 pixels wide or high"));
    }
    let image =
        Image::new(bytes, &DecodeSettings { strict: true, ..DecodeSettings::default() }).map_err(failed)?;
    let colours = match image.color_space() {
        ColorSpace::Gray => 1,
        ColorSpace::RGB => 3,
        ColorSpace::Icc { num_channels, .. } => *num_channels,
        ColorSpace::CMYK | ColorSpace::Unknown { .. } => 0,
    };
    let size = (image.width(), image.height());
    admit(size, 0)?;
    let mut context = DecoderContext::default();
    let decoded = image.decode(&mut context).map_err(failed)?;
    let samples = u64::from(size.0) * u64::from(size.1);
    let channels = decoded.components().len();
    // Components may be sampled less finely than the picture.
    if decoded.components().iter().any(|component| component.samples().len() as u64 != samples) {
        return Err(refused("its components differ in size"));
    }
    let (w, h) = size;
    let pixels = decoded.data_u8();
    let picture = match (colours, channels) {
        (1, 1) => GrayImage::from_raw(w, h, pixels).map(DynamicImage::ImageLuma8),
        (1, 2) => GrayAlphaImage::from_raw(w, h, pixels).map(DynamicImage::ImageLumaA8),
        (3, 3) => RgbImage::from_raw(w, h, pixels).map(DynamicImage::ImageRgb8),
        (3, 4) => RgbaImage::from_raw(w, h, pixels).map(DynamicImage::ImageRgba8),
        _ => None,
    };
    picture.map(DynamicImage::into_rgb8).ok_or_else(|| refused("it is neither grey nor colour (RGB)"))
}
