//! JPEG 2000 in grey or colour, bare or in the container of `.jp2` files.
//!
//! The decoder has no limits of its own, so the header is looked at first. Memory: wavelet coefficients and samples are
//! 32-bit floats, of which the decoder holds several for each pixel.

use hayro_jpeg2000::{ColorSpace, DecodeSettings, DecoderContext, Image};
use image::{DynamicImage, GrayAlphaImage, GrayImage, RgbImage, RgbaImage};

use crate::decode::{Undecodable, admit};

/// How the container begins.
const CONTAINER: &[u8] = b"\0\0\0\x0CjP  ";
/// How the picture in it, or a bare one, begins: two markers, the second of which is the header.
const PICTURE: &[u8] = b"\xFF\x4F\xFF\x51";
/// Smallest side of a tile in pixels, but for pictures of one tile: a picture of many tiny ones takes far more memory than its
/// pixels.
const LEAST_TILE: u32 = 64;
/// Bytes that the decoder takes for a pixel of one component.
const BYTES_PER_SAMPLE: u64 = 16;

/// Whether the bytes of a file begin as a JPEG 2000 picture does.
pub(crate) fn begins(bytes: &[u8]) -> bool {
    bytes.starts_with(CONTAINER) || bytes.starts_with(PICTURE)
}

/// Decodes such a file.
///
/// # Errors
/// Why it cannot be; [`Undecodable::TooLarge`] before anything is allocated.
pub(crate) fn decode(bytes: &[u8]) -> Result<RgbImage, Undecodable> {
    let failed = |error: hayro_jpeg2000::DecodeError| Undecodable::Damaged(error.to_string());
    let refused = |reason: &str| Undecodable::Damaged(reason.to_owned());
    let header = Header::read(bytes).ok_or_else(|| refused("it has no picture header"))?;
    let _turn = admit(header.size, BYTES_PER_SAMPLE * u64::from(header.components))?;
    if header.tile_is_tiny() {
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

/// What the header marker says.
struct Header {
    size: (u32, u32),
    tile: (u32, u32),
    components: u16,
}

impl Header {
    fn read(bytes: &[u8]) -> Option<Self> {
        let at = bytes.windows(PICTURE.len()).position(|window| window == PICTURE)? + PICTURE.len();
        // Length and capabilities, 2 bytes each; then 4 bytes each: grid, offset, tile, offset of the first tile.
        let fields: &[u8; 38] = bytes.get(at..)?.first_chunk()?;
        let word = |index: usize| fields[4 + 4 * index..].first_chunk().map(|word| u32::from_be_bytes(*word));
        let (grid, offset, tile) = ((word(0)?, word(1)?), (word(2)?, word(3)?), (word(4)?, word(5)?));
        let size = (grid.0.checked_sub(offset.0)?, grid.1.checked_sub(offset.1)?);
        Some(Self { size, tile, components: u16::from_be_bytes([fields[36], fields[37]]) })
    }

    fn tile_is_tiny(&self) -> bool {
        let tiny = |tile: u32, side: u32| tile < LEAST_TILE && tile < side;
        tiny(self.tile.0, self.size.0) || tiny(self.tile.1, self.size.1)
    }
}
