//! [`decode`]: decodes JPEG with two decoders, because each accepts files that the other refuses.
//!
//! One decoder is exact, the other fast. The caller chooses which one goes first. The choice does not affect
//! whether a file is a picture: it is one if either decoder accepts it, so a file that was decoded once can
//! be decoded again with either fidelity.
//! Damaged files must be refused. Without the checks here, decoders fill the missing part with grey and
//! report success.

use std::borrow::Cow;

use image::metadata::Orientation;
use image::{DynamicImage, GrayImage, RgbImage};
use jpeg_decoder::PixelFormat;
use sha2::{Digest as _, Sha256};
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use crate::decode_limits::{Fidelity, Undecodable, admit, guarded};

/// Most scans of one picture. Files of cameras and encoders have up to about 20. Each scan goes over the
/// whole picture, so a small file with many thousands of scans would keep a decoder busy for hours.
const MOST_SCANS: usize = 256;
/// Stuffed one bits, which stand in for the missing end of a file.
const ONES: [u8; 128] = {
    let mut ones = [0; 128];
    let mut at = 0;
    while at < ones.len() {
        ones[at] = 0xFF;
        at += 2;
    }
    ones
};
/// The marker that ends a picture.
const END: [u8; 2] = [0xFF, 0xD9];

/// Contents of the markers of a file.
struct Headers {
    size: (u32, u32),
    components: u8,
    /// Whether all coefficients are held in memory until the last scan is read.
    progressive: bool,
    orientation: Orientation,
    scans: usize,
    /// Whether the end marker is there.
    ends: bool,
}

/// A decoder.
type Engine = fn(&[u8], &Headers) -> Result<DynamicImage, Undecodable>;

/// A decoded file.
pub(crate) struct Jpeg {
    /// Pixels as stored, before the orientation is applied.
    pub(crate) picture: DynamicImage,
    /// Orientation to apply to the picture.
    pub(crate) orientation: Orientation,
    /// Reason for doubt: one of the decoders refuses the file, or its end marker is missing.
    pub(crate) doubt: Option<String>,
}

/// Decodes the bytes of a file that begins as JPEG does.
///
/// # Errors
/// The error of the decoder that went first, if both refuse; [`Undecodable::TooLarge`] before anything is
/// allocated.
pub(crate) fn decode(bytes: &[u8], fidelity: Fidelity) -> Result<Jpeg, Undecodable> {
    let headers = Headers::read(bytes)?;
    // One byte per sample of the planes and three per pixel; progressive files hold two more per coefficient.
    let planes = u64::from(headers.components) * if headers.progressive { 3 } else { 1 };
    let _turn = admit(headers.size, planes + 3)?;
    if headers.scans > MOST_SCANS {
        return Err(refused(format!("{} scans, at most {MOST_SCANS} are read", headers.scans)));
    }
    let whole = if headers.ends { Cow::Borrowed(bytes) } else { Cow::Owned(completed(bytes)?) };
    let lacking = (!headers.ends).then(|| "it has no end marker".to_owned());
    let [first, second]: [Engine; 2] = match fidelity {
        Fidelity::Exact => [exact, fast],
        Fidelity::Fast => [fast, exact],
    };
    let (picture, doubt) = match guarded(|| first(&whole, &headers)) {
        Ok(picture) => (picture, lacking),
        Err(error) => match guarded(|| second(&whole, &headers)) {
            Ok(picture) => (picture, Some(error.to_string())),
            Err(_) => return Err(error),
        },
    };
    Ok(Jpeg { picture, orientation: headers.orientation, doubt })
}

/// Decodes a colour or grey picture with `jpeg_decoder`; others (CMYK, 12 bits) are refused.
///
/// On average, colours are within a tenth of a level of those of libjpeg, which pretrained networks were
/// trained and evaluated with. Colours of [`fast`] differ by up to 4 levels, which changes the networks'
/// mAP50-95 by 0.004.
fn exact(bytes: &[u8], headers: &Headers) -> Result<DynamicImage, Undecodable> {
    let mut decoder = jpeg_decoder::Decoder::new(bytes);
    decoder.read_info().map_err(failed)?;
    let format = decoder.info().map(|info| info.pixel_format);
    let pixels = match format {
        Some(PixelFormat::RGB24 | PixelFormat::L8) => decoder.decode().map_err(failed)?,
        _ => return Err(refused("neither colour nor grey in 8 bits".to_owned())),
    };
    picture(pixels, format == Some(PixelFormat::L8), headers)
}

/// Decodes a colour or grey picture from any colour space with `zune_jpeg`, in 0.4 of the time of [`exact`].
fn fast(bytes: &[u8], headers: &Headers) -> Result<DynamicImage, Undecodable> {
    let failed = |error: zune_jpeg::errors::DecodeErrors| refused(error.to_string());
    let (w, h) = headers.size;
    let options =
        DecoderOptions::default().set_strict_mode(true).set_max_width(w as usize).set_max_height(h as usize);
    let mut decoder = zune_jpeg::JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(failed)?;
    let grey = decoder.input_colorspace() == Some(ColorSpace::Luma);
    let wanted = if grey { ColorSpace::Luma } else { ColorSpace::RGB };
    decoder.set_options(options.jpeg_set_out_colorspace(wanted));
    picture(decoder.decode().map_err(failed)?, grey, headers)
}

/// Pixels as a picture of the size in the file's header.
fn picture(pixels: Vec<u8>, grey: bool, headers: &Headers) -> Result<DynamicImage, Undecodable> {
    let (w, h) = headers.size;
    let bytes = pixels.len();
    let made = if grey {
        GrayImage::from_raw(w, h, pixels).map(DynamicImage::ImageLuma8)
    } else {
        RgbImage::from_raw(w, h, pixels).map(DynamicImage::ImageRgb8)
    };
    made.filter(|_| bytes as u64 == u64::from(w) * u64::from(h) * if grey { 1 } else { 3 })
        .ok_or_else(|| refused(format!("{bytes} bytes of pixels do not make {w} x {h}")))
}

/// The file with an end marker appended, if nothing else is missing.
///
/// A decoder reads zeros after the end of the file. If the pixels stay the same when it reads ones there, no
/// pixel depends on the missing bytes.
fn completed(bytes: &[u8]) -> Result<Vec<u8>, Undecodable> {
    // Drop half of an end marker.
    let bytes = bytes.strip_suffix(&[0xFF]).unwrap_or(bytes);
    // Digests, because the pixels of both would take the memory of two pictures.
    let pixels = |bytes: &[u8]| {
        let decoded = guarded(|| jpeg_decoder::Decoder::new(bytes).decode().map_err(failed));
        decoded.map(Sha256::digest)
    };
    let whole = [bytes, &END].concat();
    match (pixels(&whole), pixels(&[bytes, &ONES, &END].concat())) {
        (Ok(zeros), Ok(ones)) if zeros == ones => Ok(whole),
        _ => Err(refused("the file is truncated: it ends inside the picture".to_owned())),
    }
}

impl Headers {
    /// Walks over the markers of the first picture in the file, without decoding any pixel.
    fn read(bytes: &[u8]) -> Result<Self, Undecodable> {
        let mut frame = None;
        let mut orientation = None;
        let mut scans = 0;
        let mut ends = false;
        let mut at = 2;
        while let Some((marker, behind)) = next_marker(bytes, at) {
            at = behind;
            match marker {
                0xD9 => {
                    ends = true;
                    break;
                }
                // Markers without a segment: restarts, and a start inside the picture.
                0x01 | 0xD0..=0xD8 => continue,
                _ => {}
            }
            let segment = bytes.get(at..).and_then(|rest| {
                let length = usize::from(u16::from_be_bytes([*rest.first()?, *rest.get(1)?]));
                rest.get(2..length.max(2))
            });
            let Some(segment) = segment else { break };
            at += 2 + segment.len();
            match marker {
                0xC0..=0xC3 | 0xC5..=0xC7 | 0xC9..=0xCB | 0xCD..=0xCF => {
                    let &[_, h1, h2, w1, w2, components, ..] = segment else {
                        return Err(refused("its frame header is too short".to_owned()));
                    };
                    let size = (u16::from_be_bytes([w1, w2]).into(), u16::from_be_bytes([h1, h2]).into());
                    // With two headers, a decoder may allocate for the second.
                    if frame.replace((size, components, marker)).is_some() {
                        return Err(refused("it has two frame headers".to_owned()));
                    }
                }
                0xDA => scans += 1,
                0xE1 if orientation.is_none() => {
                    orientation = segment.strip_prefix(b"Exif\0\0").and_then(Orientation::from_exif_chunk);
                }
                _ => {}
            }
        }
        let Some((size, components, marker)) = frame.filter(|_| scans > 0) else {
            return Err(refused("it ends before its pixels begin".to_owned()));
        };
        if size.0 == 0 || size.1 == 0 {
            return Err(refused(format!("{} x {} pixels", size.0, size.1)));
        }
        let orientation = orientation.unwrap_or(Orientation::NoTransforms);
        // The other markers are lossless or progressive processes, which hold more than pixels in memory.
        let progressive = !matches!(marker, 0xC0 | 0xC1);
        Ok(Self { size, components, progressive, orientation, scans, ends })
    }
}

/// The next marker at or after `from`, and the offset where it ends. Fill bytes and entropy-coded data are
/// skipped.
fn next_marker(bytes: &[u8], from: usize) -> Option<(u8, usize)> {
    let mut at = from;
    loop {
        at += bytes.get(at..)?.iter().position(|byte| *byte == 0xFF)? + 1;
        match *bytes.get(at)? {
            0x00 => at += 1,
            0xFF => {}
            marker => return Some((marker, at + 1)),
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "`map_err` gives the error away")]
fn failed(error: jpeg_decoder::Error) -> Undecodable {
    refused(error.to_string())
}

fn refused(reason: String) -> Undecodable {
    Undecodable::Damaged(reason)
}
