//! [`decode`]: decodes an image file to upright 8-bit RGB.
//!
//! The format is recognised by content, not by extension; EXIF orientation is applied; grey and 16-bit images
//! are converted to 8-bit RGB; an alpha channel is dropped, not blended; of an animation, the first frame is
//! used.
//! For every format, the memory that decoding takes is checked against a limit before the decoder allocates
//! it.

use std::fs::{File, Metadata};
use std::io::{Cursor, Error as IoError, ErrorKind, Read as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder as _, ImageError, ImageFormat, ImageReader, Limits, RgbImage};

use crate::{DataError, jpeg, jpeg2000};

/// The decoders, by crate and version: a cached verdict on a file holds only for these.
pub(crate) const DECODERS: &str = "image 0.25.10, jpeg-decoder 0.3.2, zune-jpeg 0.5.15, hayro-jpeg2000 0.5.0";

/// Most pixels of an image.
const MOST_PIXELS: u64 = 1 << 27;
/// Most bytes of an image file.
const MOST_BYTES: u64 = 1 << 29;
/// Most memory for decoding one image, in bytes.
const MOST_MEMORY: u64 = 1 << 30;
/// Images that take more bytes than this are decoded one at a time, so that many threads do not need many
/// times the limit.
const LARGE: u64 = 128 << 20;

/// Locked while a large image is decoded.
static ONE_LARGE: Mutex<()> = Mutex::new(());

/// How images are decoded and scaled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fidelity {
    /// Pixels within one level of those of the tools that pretrained networks come from.
    Exact,
    /// Takes half the time; pixels differ by up to 4 levels, far less than a colour change in training.
    Fast,
}

/// Reasons why the bytes of a file are not a picture.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Undecodable {
    /// The file has no bytes.
    #[error("the file is empty")]
    Empty,
    /// The file is longer than the limit.
    #[error("the file has {0} bytes, at most {MOST_BYTES} are read")]
    FileTooLarge(u64),
    /// The image exceeds the limit of pixels or of memory.
    #[error(
        "{width} x {height} pixels, which take {memory} bytes to decode; at most {MOST_PIXELS} pixels and {MOST_MEMORY} \
         bytes are allowed"
    )]
    TooLarge {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
        /// Memory that decoding would take, in bytes.
        memory: u64,
    },
    /// The decoder refuses the file, for this reason.
    #[error("{0}")]
    Damaged(String),
    /// The file has an unknown format, or is damaged.
    #[error(transparent)]
    Image(#[from] ImageError),
}

/// A decoded file.
pub(crate) struct Decoded {
    pub(crate) image: RgbImage,
    /// Reason for doubt: something is missing from the file, or one of the two decoders refuses it.
    pub(crate) doubt: Option<String>,
}

/// Decodes an image file (BMP, GIF, JPEG, JPEG 2000, PNG, TIFF, WebP).
///
/// # Errors
/// [`DataError::Io`] where the file cannot be read, [`DataError::Decode`] where it holds no decodable
/// picture, or one of more than 134 million pixels.
pub fn decode(path: impl AsRef<Path>) -> Result<RgbImage, DataError> {
    decode_file(path.as_ref(), Fidelity::Exact)
}

/// As [`decode`], with a choice of fidelity. A file that decodes with one fidelity also decodes with the
/// other, to the same size.
pub(crate) fn decode_file(path: &Path, fidelity: Fidelity) -> Result<RgbImage, DataError> {
    let failed = |source| DataError::Decode { path: path.to_owned(), source };
    let bytes = read(path)?;
    Ok(decode_bytes(&bytes, fidelity).map_err(failed)?.image)
}

/// The content of an image file, as bytes.
///
/// # Errors
/// [`DataError::Io`] where it cannot be read, [`DataError::Decode`] where it is too long.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, DataError> {
    let io = |source| DataError::io("read the image", path)(source);
    let metadata = regular(path).map_err(io)?;
    let too_large = |bytes| {
        let source = Undecodable::FileTooLarge(bytes);
        DataError::Decode { path: path.to_owned(), source }
    };
    if metadata.len() > MOST_BYTES {
        return Err(too_large(metadata.len()));
    }
    let mut bytes = Vec::with_capacity(metadata.len() as usize + 1);
    // The file may have grown since.
    File::open(path).and_then(|file| file.take(MOST_BYTES + 1).read_to_end(&mut bytes)).map_err(io)?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(too_large(bytes.len() as u64));
    }
    Ok(bytes)
}

/// The metadata of a regular file. Others are refused: opening a pipe would wait for a writer.
pub(crate) fn regular(path: &Path) -> std::io::Result<Metadata> {
    let metadata = std::fs::metadata(path)?;
    if metadata.is_file() {
        Ok(metadata)
    } else {
        Err(IoError::new(ErrorKind::InvalidInput, "it is not a file"))
    }
}

/// Decodes the content of an image file.
///
/// # Errors
/// The reason why it is not a picture.
pub(crate) fn decode_bytes(bytes: &[u8], fidelity: Fidelity) -> Result<Decoded, Undecodable> {
    if bytes.is_empty() {
        return Err(Undecodable::Empty);
    }
    if jpeg2000::begins(bytes) {
        return Ok(Decoded { image: guarded(|| jpeg2000::decode(bytes))?, doubt: None });
    }
    let format = image::guess_format(bytes)?;
    let (mut picture, orientation, doubt) = if format == ImageFormat::Jpeg {
        let jpeg = jpeg::decode(bytes, fidelity)?;
        (jpeg.picture, jpeg.orientation, jpeg.doubt)
    } else {
        let (picture, orientation) = guarded(|| decode_other(bytes, format))?;
        (picture, orientation, None)
    };
    picture.apply_orientation(orientation);
    Ok(Decoded { image: picture.into_rgb8(), doubt })
}

/// Decodes the formats that have a single decoder.
fn decode_other(bytes: &[u8], format: ImageFormat) -> Result<(DynamicImage, Orientation), Undecodable> {
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut limits = Limits::default();
    limits.max_alloc = Some(MOST_MEMORY);
    reader.limits(limits);
    let mut decoder = reader.into_decoder()?;
    let size = decoder.dimensions();
    let pixel = u64::from(decoder.color_type().bytes_per_pixel());
    // Memory of the decoder's pixels and of the 3 bytes per pixel of the result.
    let _turn = admit(size, pixel + 3)?;
    // A damaged orientation entry is no reason to refuse the picture.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    Ok((DynamicImage::from_decoder(decoder)?, orientation))
}

/// Runs a decoder. A panic is a bug of the decoder, but must cost only this file: it becomes an error.
///
/// # Errors
/// Those of the decoder.
pub(crate) fn guarded<T>(decoder: impl FnOnce() -> Result<T, Undecodable>) -> Result<T, Undecodable> {
    // The data that the decoder was working on is dropped with it.
    let broken = |_| Err(Undecodable::Damaged("its decoder panicked".to_owned()));
    catch_unwind(AssertUnwindSafe(decoder)).unwrap_or_else(broken)
}

/// A turn to decode an image of this width and height at `bytes_per_pixel` of memory; the caller holds it
/// until the image is decoded.
///
/// # Errors
/// [`Undecodable::TooLarge`].
pub(crate) fn admit((width, height): (u32, u32), bytes_per_pixel: u64) -> Result<Turn, Undecodable> {
    let pixels = u64::from(width) * u64::from(height);
    let memory = pixels.saturating_mul(bytes_per_pixel);
    if pixels > MOST_PIXELS || memory > MOST_MEMORY {
        return Err(Undecodable::TooLarge { width, height, memory });
    }
    let large = memory > LARGE;
    Ok(large.then(|| ONE_LARGE.lock().unwrap_or_else(PoisonError::into_inner)))
}

/// The right to decode a large image; `None` for other images.
pub(crate) type Turn = Option<std::sync::MutexGuard<'static, ()>>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_decoders_are_those_that_are_built() {
        let lock = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.lock")).unwrap();
        for decoder in DECODERS.split(", ") {
            let (name, version) = decoder.split_once(' ').unwrap();
            let entry = format!("name = \"{name}\"\nversion = \"{version}\"\n");
            assert!(lock.contains(&entry), "Cargo.lock has another {name} than {version}: correct DECODERS");
        }
    }
}
