//! From a file to upright 8-bit RGB.
//!
//! The format is recognised by content, not by extension; EXIF orientation is applied; grey and 16-bit pictures
//! are widened or narrowed; an alpha channel is dropped, not blended.

use std::fs::File;
use std::io::{BufReader, Read as _, Seek as _, SeekFrom};
use std::path::Path;

use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageReader, RgbImage};

use crate::DataError;

/// Decodes an image file (BMP, JPEG, PNG, TIFF, WebP).
///
/// # Errors
/// [`DataError::Io`] where the file cannot be opened, [`DataError::Decode`] where it holds no decodable picture.
pub fn decode(path: impl AsRef<Path>) -> Result<RgbImage, DataError> {
    let path = path.as_ref();
    let failed = |source| DataError::Decode { path: path.to_owned(), source };
    let mut decoder = open(path)?.into_decoder().map_err(failed)?;
    let orientation = decoder.orientation().map_err(failed)?;
    let mut picture = DynamicImage::from_decoder(decoder).map_err(failed)?;
    picture.apply_orientation(orientation);
    Ok(picture.into_rgb8())
}

/// Width and height that [`decode`] will give, from the header alone.
///
/// # Errors
/// As [`decode`], but a file that is damaged behind its header passes.
pub fn dimensions(path: impl AsRef<Path>) -> Result<(u32, u32), DataError> {
    let path = path.as_ref();
    let failed = |source| DataError::Decode { path: path.to_owned(), source };
    let mut decoder = open(path)?.into_decoder().map_err(failed)?;
    let (width, height) = decoder.dimensions();
    Ok(match decoder.orientation().map_err(failed)? {
        Orientation::Rotate90
        | Orientation::Rotate270
        | Orientation::Rotate90FlipH
        | Orientation::Rotate270FlipH => (height, width),
        Orientation::NoTransforms
        | Orientation::Rotate180
        | Orientation::FlipHorizontal
        | Orientation::FlipVertical => (width, height),
    })
}

/// Whether the file begins as JPEG but does not end as one.
/// Decoders fill what is missing with grey and report success, so only the bytes tell.
pub(crate) fn is_truncated_jpeg(path: &Path) -> std::io::Result<bool> {
    let mut file = File::open(path)?;
    let (mut head, mut tail) = ([0; 2], [0; 2]);
    file.read_exact(&mut head)?;
    if head != [0xFF, 0xD8] {
        return Ok(false);
    }
    file.seek(SeekFrom::End(-2))?;
    file.read_exact(&mut tail)?;
    Ok(tail != [0xFF, 0xD9])
}

fn open(path: &Path) -> Result<ImageReader<BufReader<File>>, DataError> {
    ImageReader::open(path)
        .and_then(ImageReader::with_guessed_format)
        .map_err(DataError::io("read the image", path))
}
