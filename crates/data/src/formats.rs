//! [`READ`] and [`is_read`]: the file extensions of images, and which of them are read.
//!
//! The extension only decides which files are opened; the decoder recognises the format by content.

use std::path::Path;

/// Extensions of images that [`decode`](crate::decode()) reads, lower case.
pub const READ: [&str; 15] = [
    "bmp", "dib", "gif", "j2c", "j2k", "jfif", "jp2", "jpe", "jpeg", "jpg", "mpo", "png", "tif", "tiff",
    "webp",
];

/// Extensions of images that [`decode`](crate::decode()) does not read, lower case: there is no decoder in
/// Rust, or the file holds raw sensor data.
const NOT_READ: [&str; 32] = [
    "arw", "avif", "avifs", "cr2", "cr3", "dcm", "dng", "exr", "hdr", "heic", "heif", "ico", "jxl", "jxr",
    "nef", "nrw", "orf", "pbm", "pcx", "pfm", "pgm", "pnm", "ppm", "psd", "raf", "ras", "raw", "rw2", "sr",
    "svg", "tga", "xcf",
];

/// Whether a file is an image that is read, by its extension in any case.
pub fn is_read(path: &Path) -> bool {
    extension(path).is_some_and(|extension| READ.contains(&extension.as_str()))
}

/// The extension of an image of a format that is not read, lower case; `None` for every other file.
pub(crate) fn not_read(path: &Path) -> Option<String> {
    extension(path).filter(|extension| NOT_READ.contains(&extension.as_str()))
}

fn extension(path: &Path) -> Option<String> {
    Some(path.extension()?.to_str()?.to_ascii_lowercase())
}
