//! [`write_picture`]: a picture as a file, whole or not at all.

use std::io::Cursor;
use std::path::Path;

use anyhow::Result;
use bonsai_checkpoint::write_file;
use bonsai_plots::RgbImage;
use image::ImageFormat;

/// Writes a picture in the format of its file extension, such as PNG or JPEG.
///
/// # Errors
/// If the extension is unknown or the file cannot be written.
pub fn write_picture(image: &RgbImage, path: &Path) -> Result<()> {
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, ImageFormat::from_path(path)?)?;
    Ok(write_file(path, &bytes.into_inner())?)
}
