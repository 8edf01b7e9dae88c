//! [`decode`]: pictures from good, truncated and hostile bytes.

use std::io::Cursor;

use bonsai_data::{RgbImage, Undecodable};
use bonsai_detector::{DetectOptions, Detector, DetectorError, decode};
use bonsai_exec::Device;
use image::{ImageFormat, Rgb};

use crate::chain::Chain;
use crate::network::bright_cells;

fn picture() -> RgbImage {
    RgbImage::from_fn(48, 32, |x, y| {
        let white = (16..24).contains(&x) && (8..16).contains(&y);
        Rgb([if white { 255 } else { 0 }; 3])
    })
}

fn encoded(format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    picture().write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

#[track_caller]
fn refused(bytes: &[u8]) -> Undecodable {
    match decode(bytes) {
        Err(DetectorError::Picture(reason)) => reason,
        other => panic!("{} bytes: {other:?}", bytes.len()),
    }
}

/// A BMP file without pixels that claims to be of this size.
fn huge_bmp(width: i32, height: i32) -> Vec<u8> {
    let mut bytes = b"BM".to_vec();
    bytes.extend([54u32, 0, 54, 40].iter().flat_map(|v| v.to_le_bytes()));
    bytes.extend([width, height].iter().flat_map(|v| v.to_le_bytes()));
    bytes.extend([1u16, 24].iter().flat_map(|v| v.to_le_bytes()));
    bytes.extend([0; 24]);
    bytes
}

/// The JPEG file with the largest size that its header can claim.
fn huge_jpeg() -> Vec<u8> {
    let mut bytes = encoded(ImageFormat::Jpeg);
    let frame = bytes.windows(2).position(|marker| marker == [0xff, 0xc0]).unwrap();
    bytes[frame + 5..frame + 9].fill(0xff);
    bytes
}

#[test]
fn bytes_become_the_pixels_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    for format in [ImageFormat::Png, ImageFormat::Bmp, ImageFormat::Jpeg, ImageFormat::WebP] {
        let bytes = encoded(format);
        let path = folder.path().join("picture");
        std::fs::write(&path, &bytes).unwrap();
        assert_eq!(decode(&bytes).unwrap(), bonsai_data::decode(&path).unwrap(), "{format:?}");
    }
    assert_eq!(decode(&encoded(ImageFormat::Png)).unwrap(), picture());
}

#[test]
fn objects_are_found_in_encoded_bytes() {
    let mut detector = Detector::from_checkpoint(bright_cells([1, 1, 1, 1], &[5.0]), Device::Cpu).unwrap();
    let config = DetectOptions { imgsz: 48, ..DetectOptions::default() };
    let expected = detector.detect(&picture(), &config).unwrap();
    let found = detector.detect(&decode(&encoded(ImageFormat::Png)).unwrap(), &config).unwrap();
    assert_eq!((found.len(), &found), (1, &expected));
}

#[test]
fn what_is_not_a_picture_is_refused() {
    assert!(matches!(refused(b""), Undecodable::Empty));
    assert!(matches!(refused(b"hello, detector"), Undecodable::Image(_)));
    let error = decode(b"").unwrap_err();
    assert_eq!(Chain(&error).to_string(), "cannot decode the picture: the file is empty");
}

#[test]
fn truncated_bytes_are_refused_wherever_they_end() {
    for format in [ImageFormat::Png, ImageFormat::Bmp, ImageFormat::Jpeg, ImageFormat::WebP] {
        let bytes = encoded(format);
        for length in [1, 4, 12, 30, bytes.len() / 2, bytes.len() * 3 / 4] {
            refused(&bytes[..length]);
        }
    }
}

#[test]
fn a_huge_size_is_refused_before_memory_is_taken() {
    for bytes in [huge_bmp(60_000, 60_000), huge_jpeg()] {
        let reason = refused(&bytes);
        assert!(
            matches!(reason, Undecodable::TooLarge { width: 60_000.., height: 60_000.., .. }),
            "{reason}"
        );
    }
}

#[test]
fn damaged_bytes_never_panic() {
    for format in [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::WebP] {
        let bytes = encoded(format);
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0xff;
            // Some of them are pictures with other pixels.
            let _ = decode(&damaged);
        }
    }
}
