//! From a file to upright 8-bit RGB.
//!
//! The format is recognised by content, not by extension; EXIF orientation is applied; grey and 16-bit pictures
//! are widened or narrowed; an alpha channel is dropped, not blended.

use std::fs::File;
use std::io::{BufReader, Read as _, Seek as _, SeekFrom};
use std::path::Path;

use image::error::{DecodingError, ImageFormatHint};
use image::metadata::Orientation;
use image::{DynamicImage, GrayImage, ImageDecoder, ImageError, ImageFormat, ImageReader, RgbImage};
use jpeg_decoder::PixelFormat;

use crate::DataError;

/// Most bytes of a decoded JPEG, as `image` limits other formats.
const LARGEST: usize = 512 << 20;

/// Decodes an image file (BMP, JPEG, PNG, TIFF, WebP).
///
/// # Errors
/// [`DataError::Io`] where the file cannot be opened, [`DataError::Decode`] where it holds no decodable picture.
pub fn decode(path: impl AsRef<Path>) -> Result<RgbImage, DataError> {
    let path = path.as_ref();
    let failed = |source| DataError::Decode { path: path.to_owned(), source };
    let reader = open(path)?;
    let is_jpeg = reader.format() == Some(ImageFormat::Jpeg);
    let mut decoder = reader.into_decoder().map_err(failed)?;
    let orientation = decoder.orientation().map_err(failed)?;
    let jpeg = if is_jpeg { decode_jpeg(path)? } else { None };
    let mut picture = match jpeg {
        Some(picture) => picture,
        None => DynamicImage::from_decoder(decoder).map_err(failed)?,
    };
    picture.apply_orientation(orientation);
    Ok(picture.into_rgb8())
}

/// As [`decode`] but by `image`'s own JPEG decoder, which takes 0.4 of the time and whose colours are up to 4 levels away.
pub(crate) fn decode_fast(path: &Path) -> Result<RgbImage, DataError> {
    let failed = |source| DataError::Decode { path: path.to_owned(), source };
    let mut decoder = open(path)?.into_decoder().map_err(failed)?;
    let orientation = decoder.orientation().map_err(failed)?;
    let mut picture = DynamicImage::from_decoder(decoder).map_err(failed)?;
    picture.apply_orientation(orientation);
    Ok(picture.into_rgb8())
}

/// A JPEG in colour or grey; `None` for other pixels, which are rare.
///
/// Not by `image`'s decoder: its colours are up to 4 levels from those of libjpeg, which pretrained networks were trained
/// and validated on, and their mAP50-95 moves by 0.004. This one's are within a tenth of a level on average.
fn decode_jpeg(path: &Path) -> Result<Option<DynamicImage>, DataError> {
    let failed = |error: jpeg_decoder::Error| {
        let source = DecodingError::new(ImageFormatHint::Exact(ImageFormat::Jpeg), error);
        DataError::Decode { path: path.to_owned(), source: ImageError::Decoding(source) }
    };
    let file = File::open(path).map_err(DataError::io("read the image", path))?;
    let mut decoder = jpeg_decoder::Decoder::new(BufReader::new(file));
    decoder.set_max_decoding_buffer_size(LARGEST);
    decoder.read_info().map_err(failed)?;
    let Some(info) = decoder.info() else { return Ok(None) };
    let (width, height) = (info.width.into(), info.height.into());
    match info.pixel_format {
        PixelFormat::RGB24 => {
            let pixels = decoder.decode().map_err(failed)?;
            Ok(RgbImage::from_raw(width, height, pixels).map(DynamicImage::ImageRgb8))
        }
        PixelFormat::L8 => {
            let pixels = decoder.decode().map_err(failed)?;
            Ok(GrayImage::from_raw(width, height, pixels).map(DynamicImage::ImageLuma8))
        }
        PixelFormat::L16 | PixelFormat::CMYK32 => Ok(None),
    }
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
