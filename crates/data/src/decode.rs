//! [`decode`]: decodes an image file to upright 8-bit RGB.
//!
//! The format is recognised by content, not by extension; EXIF orientation is applied; grey and 16-bit images
//! are converted to 8-bit RGB; an alpha channel is dropped, not blended; of an animation, the first frame is
//! used.
//! For every format, the memory that decoding takes is checked against a limit before the decoder allocates
//! it.

use std::fs::{File, Metadata};
use std::io::{Cursor, Error as IoError, ErrorKind, Read as _};
use std::path::Path;

use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder as _, ImageFormat, ImageReader, Limits, RgbImage};

use crate::decode_limits::{Fidelity, MOST_BYTES, MOST_MEMORY, Undecodable, admit, guarded};
use crate::{DataError, jpeg, jpeg2000};

/// The decoders, by crate and version: a cached verdict on a file holds only for these.
pub(crate) const DECODERS: &str = "image 0.25.10, jpeg-decoder 0.3.2, zune-jpeg 0.5.15, hayro-jpeg2000 0.5.0";

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
