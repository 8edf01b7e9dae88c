//! Pictures in many formats, encoded by the tests, and functions that break them.

use std::io::Cursor;

use image::{DynamicImage, GrayImage, ImageFormat, Luma, Rgb, RgbImage};

/// A picture in which every pixel and channel differs from its neighbours.
pub(crate) fn drawn(w: u32, h: u32) -> RgbImage {
    RgbImage::from_fn(
        w,
        h,
        |x, y| Rgb([x * 37 + y * 11, x * 5 + y * 29, x * y * 13].map(|v| (v % 256) as u8)),
    )
}

/// A picture as a file of a format.
pub(crate) fn encoded(picture: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    picture.into().write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// A JPEG of two halves, left dark and right bright.
pub(crate) fn halves_jpeg() -> Vec<u8> {
    encoded(GrayImage::from_fn(48, 32, |x, _| Luma([if x < 24 { 20 } else { 220 }])), ImageFormat::Jpeg)
}

/// Puts an EXIF block, whose only entry is the orientation, after the start marker.
pub(crate) fn with_orientation(jpeg: &[u8], orientation: u8) -> Vec<u8> {
    let mut exif = b"Exif\0\0MM\0\x2A\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
    exif.extend([orientation, 0, 0, 0, 0, 0, 0]);
    let length = u16::try_from(exif.len() + 2).unwrap().to_be_bytes();
    [&jpeg[..2], &[0xFF, 0xE1], &length, &exif, &jpeg[2..]].concat()
}

/// The JPEG with other sides in its frame header and no other change.
pub(crate) fn with_sides(jpeg: &[u8], w: u16, h: u16) -> Vec<u8> {
    let mut jpeg = jpeg.to_vec();
    let frame =
        jpeg.windows(2).position(|marker| marker[0] == 0xFF && matches!(marker[1], 0xC0..=0xC2)).unwrap();
    jpeg[frame + 5..frame + 7].copy_from_slice(&h.to_be_bytes());
    jpeg[frame + 7..frame + 9].copy_from_slice(&w.to_be_bytes());
    jpeg
}

/// Decodes hexadecimal digits.
fn bytes(digits: &str) -> Vec<u8> {
    (0..digits.len() / 2).map(|i| u8::from_str_radix(&digits[2 * i..2 * i + 2], 16).unwrap()).collect()
}

// Formats that the crate `image` cannot write. Made with Pillow 12: 24 x 16 pixels, `(x * 10, y * 15, (x + y)
// * 6)`.

/// Saved with `quality=60, progressive=True, optimize=True`: ten scans.
pub(crate) fn progressive_jpeg() -> Vec<u8> {
    bytes(concat!(
        "ffd8ffe000104a46494600010100000100010000ffdb0043000d090a0b0a080d0b0a0b0e0e0d0f13201513121213271c",
        "1e17202e2931302e292d2c333a4a3e333646372c2d405741464c4e525352323e5a615a50604a51524fffdb0043010e0e",
        "0e131113261515264f352d354f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f",
        "4f4f4f4f4f4f4f4f4f4f4f4f4f4fffc20011080010001803012200021101031101ffc400160001010100000000000000",
        "000000000000040005ffc400160101010100000000000000000000000000030205ffda000c03010002100310000001c6",
        "4b93241b5e6d2fffc400161000030000000000000000000000000000000103ffda00080101000105025314c5314c5314",
        "cfffc4001811000203000000000000000000000000000004020321ffda0008010301013f01a5922ce1ffc40016110003",
        "0000000000000000000000000000000102ffda0008010201013f01542a3fffc400141001000000000000000000000000",
        "00000020ffda0008010100063f025fffc4001510010100000000000000000000000000000061ffda0008010100013f21",
        "924924924fffda000c03010002000300000010080fffc400161101010100000000000000000000000000005161ffda00",
        "08010301013f10d163ffc4001511010100000000000000000000000000000021ffda0008010201013f10717fffc40015",
        "10010100000000000000000000000000000031ffda0008010100013f10993264c9933fffd9",
    ))
}

/// The picture in CMYK, saved with `quality=60, optimize=True`.
pub(crate) fn cmyk_jpeg() -> Vec<u8> {
    bytes(concat!(
        "ffd8ffee000e41646f626500640000000000ffdb0043000d090a0b0a080d0b0a0b0e0e0d0f13201513121213271c1e17",
        "202e2931302e292d2c333a4a3e333646372c2d405741464c4e525352323e5a615a50604a51524fffc000140800100018",
        "044311004d11005911004b1100ffc40017000101010100000000000000000000000000060507ffc4001b100002010500",
        "00000000000000000000000004051521314162ffda000e0443004d0059004b00003f00868bd12344e08a4d4c58e9c58c",
        "5e8513837935316058c5e8513837535316071d8bd1d2689c1849a98b02c62f4289c1ba9a98b02c62f4289c1bc9a98b03",
        "ffd9",
    ))
}

/// Saved with `quality_mode="dB", quality_layers=[35]`.
pub(crate) fn jpeg_2000() -> Vec<u8> {
    bytes(concat!(
        "0000000c6a5020200d0a870a00000014667479706a703220000000006a7032200000002d6a7032680000001669686472",
        "00000010000000180003070700000000000f636f6c7201000000000010000000ca6a703263ff4fff51002f0000000000",
        "18000000100000000000000000000000180000001000000000000000000003070101070101070101ff52000c00000001",
        "000404040001ff5c00104040484850484850484850484850ff640025000143726561746564206279204f70656e4a5045",
        "472076657273696f6e20322e352e34ff90000a0000000000460001ff93df482006edc7040851cf8c10067480a7c01002",
        "73a1f3020001bbc2201143a3e3060b3b9ac1141c1811390b398580a1c18003826180808080ffd9",
    ))
}
