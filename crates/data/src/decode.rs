//! From a file to upright 8-bit RGB.
//!
//! The format is recognised by content, not by extension; EXIF orientation is applied; grey and 16-bit pictures
//! are widened or narrowed; an alpha channel is dropped, not blended; of an animation the first frame counts.
//! What a picture would take is held against a limit before a decoder allocates it, whatever the format.

use std::fs::{File, Metadata};
use std::io::{Cursor, Error as IoError, ErrorKind, Read as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder as _, ImageError, ImageFormat, ImageReader, Limits, RgbImage};

use crate::{DataError, jpeg, jpeg2000};

/// What decodes, by crate and version: a verdict on a file holds for these only.
pub(crate) const DECODERS: &str = "image 0.25.10, jpeg-decoder 0.3.2, zune-jpeg 0.5.15, hayro-jpeg2000 0.5.0";

/// Most pixels of an image.
const MOST_PIXELS: u64 = 1 << 27;
/// Most bytes of an image file.
pub(crate) const MOST_BYTES: u64 = 1 << 29;
/// Most memory for decoding one image, in bytes.
const MOST_MEMORY: u64 = 1 << 30;
/// Images that take more than this are decoded one at a time, so that many threads do not need many times the limit.
const LARGE: u64 = 128 << 20;

/// Held while a large image is decoded.
static ONE_LARGE: Mutex<()> = Mutex::new(());

/// How images are decoded and scaled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fidelity {
    /// As the tools that pretrained networks come from do it, to a level.
    Exact,
    /// In half the time, up to 4 levels beside it: far less than a change of colours in training.
    Fast,
}

/// Why the bytes of a file are no picture.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Undecodable {
    /// There are none.
    #[error("the file is empty")]
    Empty,
    /// The file is longer than any that is read.
    #[error("the file has {0} bytes, at most {MOST_BYTES} are read")]
    FileTooLarge(u64),
    /// The image is larger than any that is decoded.
    #[error(
        "{width} x {height} pixels, which take {memory} bytes to decode; at most {MOST_PIXELS} pixels and {MOST_MEMORY} \
         bytes are allowed"
    )]
    TooLarge {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
        /// What decoding would take, in bytes.
        memory: u64,
    },
    /// The decoder refuses it, and why.
    #[error("{0}")]
    Damaged(String),
    /// The file is another format's, or damaged.
    #[error(transparent)]
    Image(#[from] ImageError),
}

/// A decoded file.
pub(crate) struct Decoded {
    pub(crate) image: RgbImage,
    /// Why a decoder had to do without something, or one of two refuses it.
    pub(crate) doubt: Option<String>,
}

/// Decodes an image file (BMP, GIF, JPEG, JPEG 2000, PNG, TIFF, WebP).
///
/// # Errors
/// [`DataError::Io`] where the file cannot be read, [`DataError::Decode`] where it holds no decodable picture, or one
/// of more than 134 million pixels.
pub fn decode(path: impl AsRef<Path>) -> Result<RgbImage, DataError> {
    decode_file(path.as_ref(), Fidelity::Exact)
}

/// As [`decode`], in either way. A file that can be decoded in one way can be in the other, and has the same size.
pub(crate) fn decode_file(path: &Path, fidelity: Fidelity) -> Result<RgbImage, DataError> {
    let failed = |source| DataError::Decode { path: path.to_owned(), source };
    let bytes = read(path)?;
    Ok(decode_bytes(&bytes, fidelity).map_err(failed)?.image)
}

/// The content of an image file.
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
    // It may have grown.
    File::open(path).and_then(|file| file.take(MOST_BYTES + 1).read_to_end(&mut bytes)).map_err(io)?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(too_large(bytes.len() as u64));
    }
    Ok(bytes)
}

/// What the file system says of a file that is one. Opening a pipe would wait for somebody to write into it.
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
/// Why it is no picture.
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

/// Formats for which there is one decoder.
fn decode_other(bytes: &[u8], format: ImageFormat) -> Result<(DynamicImage, Orientation), Undecodable> {
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut limits = Limits::default();
    limits.max_alloc = Some(MOST_MEMORY);
    reader.limits(limits);
    let mut decoder = reader.into_decoder()?;
    let size = decoder.dimensions();
    let pixel = u64::from(decoder.color_type().bytes_per_pixel());
    // Besides the decoder's pixels, those of the result.
    let _turn = admit(size, pixel + 3)?;
    // A picture is not lost for what is written beside it.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    Ok((DynamicImage::from_decoder(decoder)?, orientation))
}

/// What a decoder makes of a file. Its panic is a fault of its own, but the file's to bear: it is refused.
///
/// # Errors
/// Those of the decoder.
pub(crate) fn guarded<T>(decoder: impl FnOnce() -> Result<T, Undecodable>) -> Result<T, Undecodable> {
    // What the decoder was working on is dropped with it.
    let broken = |_| Err(Undecodable::Damaged("its decoder broke off".to_owned()));
    catch_unwind(AssertUnwindSafe(decoder)).unwrap_or_else(broken)
}

/// A turn to decode an image of that width and height that takes so many bytes for each pixel, to be held until it is decoded.
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

/// The right to decode a large image; nothing for others.
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
