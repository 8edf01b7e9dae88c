//! Tests of [`decode`]: formats, grey, orientation, limits.

use bonsai_data::{RgbImage, decode};
use image::{DynamicImage, ImageFormat, Rgb};

use crate::encoded::{
    cmyk_jpeg, drawn, encoded, halves_jpeg, jpeg_2000, progressive_jpeg, with_orientation, with_sides,
};
use crate::folder::Folder;

#[test]
fn grey_becomes_rgb_and_orientation_is_applied() {
    let folder = Folder::new();
    let plain = folder.write("plain.jpg", halves_jpeg());
    let picture = decode(&plain).unwrap();
    assert_eq!(picture.dimensions(), (48, 32));
    let [r, g, b] = picture.get_pixel(4, 4).0;
    assert!(r == g && g == b && r < 40);

    // Position of the dark half: left or right, or, in a turned picture, top or bottom.
    for (orientation, size, dark) in [
        (1, (48, 32), (4, 16)),
        (2, (48, 32), (44, 16)),
        (3, (48, 32), (44, 16)),
        (4, (48, 32), (4, 16)),
        (5, (32, 48), (16, 4)),
        (6, (32, 48), (16, 4)),
        (7, (32, 48), (16, 44)),
        (8, (32, 48), (16, 44)),
        (99, (48, 32), (4, 16)),
    ] {
        let turned = folder.write("turned.jpg", with_orientation(&halves_jpeg(), orientation));
        let picture = decode(&turned).unwrap();
        assert_eq!(picture.dimensions(), size, "{orientation}");
        let bright = (size.0 - 1 - dark.0, size.1 - 1 - dark.1);
        let level = |(x, y)| picture.get_pixel(x, y).0[0];
        assert!(level(dark) < 40 && level(bright) > 200, "{orientation}");
    }
}

#[test]
fn every_format_is_recognised_by_content() {
    let folder = Folder::new();
    let image = drawn(16, 12);
    for format in [ImageFormat::Png, ImageFormat::Bmp, ImageFormat::Tiff, ImageFormat::WebP] {
        // All of them have a wrong extension.
        let path = folder.write("picture.jpg", encoded(image.clone(), format));
        assert_eq!(decode(&path).unwrap(), image, "{format:?}");
    }
    // Few enough colours for GIF to keep all of them.
    let few = RgbImage::from_fn(16, 12, |x, y| Rgb([(x * 16) as u8, (y * 20) as u8, 0]));
    let path =
        folder.write("picture.jpg", encoded(DynamicImage::from(few.clone()).into_rgba8(), ImageFormat::Gif));
    assert_eq!(decode(&path).unwrap(), few);
    let deep = DynamicImage::from(image.clone()).into_rgb16();
    let path = folder.write("deep.png", encoded(deep, ImageFormat::Png));
    assert_eq!(decode(&path).unwrap(), image);
}

#[test]
fn what_others_wrote_has_the_colours_that_were_drawn() {
    let folder = Folder::new();
    for (name, bytes, bound) in [
        ("progressive", progressive_jpeg(), 16.0),
        ("cmyk", cmyk_jpeg(), 24.0),
        ("JPEG 2000", jpeg_2000(), 16.0),
    ] {
        let picture = decode(folder.write("picture.jpg", bytes)).unwrap();
        assert_eq!(picture.dimensions(), (24, 16), "{name}");
        let distance = |(x, y, pixel): (u32, u32, &Rgb<u8>)| -> f64 {
            let expected = [x * 10, y * 15, (x + y) * 6].map(|v| v as u8);
            pixel.0.iter().zip(expected).map(|(a, b)| f64::from(a.abs_diff(b))).sum()
        };
        let mean = picture.enumerate_pixels().map(distance).sum::<f64>() / (3.0 * 24.0 * 16.0);
        assert!(mean < bound, "{name}: {mean} levels on average");
    }
}

/// The header of a bitmap of this size, with hardly any pixels.
fn bitmap(w: u32, h: u32) -> Vec<u8> {
    let mut bytes = encoded(drawn(2, 2), ImageFormat::Bmp);
    bytes[18..22].copy_from_slice(&w.to_le_bytes());
    bytes[22..26].copy_from_slice(&h.to_le_bytes());
    bytes
}

/// The same for a PNG, with a correct checksum.
fn png(w: u32, h: u32) -> Vec<u8> {
    let mut bytes = encoded(drawn(2, 2), ImageFormat::Png);
    bytes[16..20].copy_from_slice(&w.to_be_bytes());
    bytes[20..24].copy_from_slice(&h.to_be_bytes());
    let mut crc = u32::MAX;
    for byte in &bytes[12..29] {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ if crc & 1 == 1 { 0xEDB8_8320 } else { 0 };
        }
    }
    bytes[29..33].copy_from_slice(&(!crc).to_be_bytes());
    bytes
}

#[test]
fn a_picture_beyond_the_limits_is_refused_before_it_is_allocated() {
    let folder = Folder::new();
    let mut wide = jpeg_2000();
    let header = wide.windows(4).position(|window| window == b"\xFF\x4F\xFF\x51").unwrap() + 8;
    wide[header..header + 8].copy_from_slice(&[0, 0, 0x80, 0, 0, 0, 0x80, 0]);
    // Within the limit except for its code blocks of 4 x 4 samples: the decoder allocates a structure for
    // each.
    let mut blocks = jpeg_2000();
    for side in [0, 4, 16, 20] {
        blocks[header + side..header + side + 4].copy_from_slice(&4096u32.to_be_bytes());
    }
    let style = blocks.windows(2).position(|marker| marker == [0xFF, 0x52]).unwrap() + 4;
    blocks[style + 6..style + 8].fill(0);
    let begin = std::time::Instant::now();
    for (name, bytes) in [
        ("bitmap", bitmap(u32::MAX / 32, 200)),
        ("square bitmap", bitmap(65_535, 65_535)),
        ("png", png(65_535, 65_535)),
        ("jpeg", with_sides(&halves_jpeg(), 65_535, 65_535)),
        ("progressive jpeg", with_sides(&progressive_jpeg(), 65_535, 65_535)),
        // Within the limit of pixels, but above that of memory because of the coefficients.
        ("large progressive jpeg", with_sides(&progressive_jpeg(), 11_000, 11_000)),
        ("JPEG 2000", wide),
        ("JPEG 2000 of small blocks", blocks),
    ] {
        let error = chain(&decode(folder.write("large", bytes)).unwrap_err());
        assert!(error.contains("allowed") || error.contains("too large"), "{name}: {error}");
    }
    // Without the limits, the decoders would take a minute and more memory than the machine has.
    assert!(begin.elapsed().as_secs() < 20);
}

#[test]
fn scans_without_end_are_refused() {
    let folder = Folder::new();
    let jpeg = progressive_jpeg();
    let last = jpeg.windows(2).rposition(|marker| marker == [0xFF, 0xDA]).unwrap();
    let scan = &jpeg[last..jpeg.len() - 2];
    let many = [&jpeg[..last], &scan.repeat(300), &[0xFF, 0xD9]].concat();
    let error = chain(&decode(folder.write("many.jpg", many)).unwrap_err());
    assert!(error.contains("scans"), "{error}");
}

#[cfg(unix)]
#[test]
fn what_is_no_file_is_refused_at_once() {
    let folder = Folder::new();
    std::fs::create_dir(folder.path("folder.jpg")).unwrap();
    let pipe = folder.path("pipe.jpg");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().is_ok_and(|status| status.success()));
    for path in [folder.path("folder.jpg"), pipe, folder.path("nowhere.jpg")] {
        let message = decode(&path).unwrap_err().to_string();
        assert!(message.contains(path.to_str().unwrap()), "{message}");
    }
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let cause = error.source().map(chain).unwrap_or_default();
    format!("{error}: {cause}")
}
