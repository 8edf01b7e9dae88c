//! Decoding: formats, grey, orientation, damage.

use bonsai_data::{SplitKind, WarningKind, decode, dimensions};
use image::{DynamicImage, GrayImage, ImageFormat, Luma, RgbImage};

use crate::folder::Folder;

/// A JPEG of two halves, left dark and right bright.
fn halves_jpeg() -> Vec<u8> {
    let image = GrayImage::from_fn(48, 32, |x, _| Luma([if x < 24 { 20 } else { 220 }]));
    let mut bytes = std::io::Cursor::new(Vec::new());
    DynamicImage::ImageLuma8(image).write_to(&mut bytes, ImageFormat::Jpeg).unwrap();
    bytes.into_inner()
}

/// Puts an EXIF block with one entry, the orientation, behind the start marker.
fn with_orientation(jpeg: &[u8], orientation: u8) -> Vec<u8> {
    let mut exif = b"Exif\0\0MM\0\x2A\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
    exif.extend([orientation, 0, 0, 0, 0, 0, 0]);
    let length = u16::try_from(exif.len() + 2).unwrap().to_be_bytes();
    [&jpeg[..2], &[0xFF, 0xE1], &length, &exif, &jpeg[2..]].concat()
}

#[test]
fn grey_becomes_rgb_and_orientation_is_applied() {
    let folder = Folder::new();
    let plain = folder.write("plain.jpg", halves_jpeg());
    let picture = decode(&plain).unwrap();
    assert_eq!((picture.dimensions(), dimensions(&plain).unwrap()), ((48, 32), (48, 32)));
    let [r, g, b] = picture.get_pixel(4, 4).0;
    assert!(r == g && g == b && r < 40);

    // 6: the camera was turned, the picture must be rotated clockwise: left becomes top.
    let turned = folder.write("turned.jpg", with_orientation(&halves_jpeg(), 6));
    let picture = decode(&turned).unwrap();
    assert_eq!((picture.dimensions(), dimensions(&turned).unwrap()), ((32, 48), (32, 48)));
    assert!(picture.get_pixel(16, 4).0[0] < 40 && picture.get_pixel(16, 44).0[0] > 200);
}

#[test]
fn every_format_is_told_by_its_content() {
    let folder = Folder::new();
    let image = RgbImage::from_fn(16, 12, |x, y| image::Rgb([(x * 15) as u8, (y * 20) as u8, 77]));
    for format in [ImageFormat::Png, ImageFormat::Bmp, ImageFormat::Tiff, ImageFormat::WebP] {
        let mut bytes = std::io::Cursor::new(Vec::new());
        image.write_to(&mut bytes, format).unwrap();
        // All of them under a name that lies.
        let path = folder.write("picture.jpg", bytes.into_inner());
        assert_eq!(dimensions(&path).unwrap(), (16, 12), "{format:?}");
        assert_eq!(decode(&path).unwrap(), image, "{format:?}");
    }
}

#[test]
fn damaged_files_are_errors_that_name_the_file() {
    let folder = Folder::new();
    folder.image("whole.png", 64, 64, 9);
    let png = std::fs::read(folder.path("whole.png")).unwrap();
    let truncated = folder.write("truncated.png", &png[..png.len() - 30]);
    assert_eq!(dimensions(&truncated).unwrap(), (64, 64));
    for path in [truncated, folder.write("zero.png", ""), folder.write("noise.jpg", [7; 500])] {
        let message = decode(&path).unwrap_err().to_string();
        assert!(message.contains(path.to_str().unwrap()), "{message}");
    }
}

#[test]
fn a_truncated_jpeg_is_kept_with_a_warning() {
    let folder = Folder::new();
    let jpeg = halves_jpeg();
    folder.write("images/cut.jpg", &jpeg[..jpeg.len() - 20]);
    folder.write("images/whole.jpg", jpeg);
    let (split, scan) = folder.scan("train: images\nnames: [x]", SplitKind::Train);
    assert_eq!(split.samples.len(), 2);
    assert_eq!(scan.warnings.iter().map(|w| &w.kind).collect::<Vec<_>>(), [&WarningKind::TruncatedJpeg]);
    assert!(scan.warnings[0].path.ends_with("cut.jpg"));
}
