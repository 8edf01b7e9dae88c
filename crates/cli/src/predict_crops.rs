//! [`Crops`]: one picture for each detected object, in a folder for its class.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use bonsai_boxes::{Detection, Xyxy};
use bonsai_data::RgbImage;
use bonsai_stages::{Inputs, write_picture};

/// Factor by which a crop is larger than its box, and pixels that are added to each side: both together are
/// Ultralytics' margin.
const GAIN: f32 = 1.02;
const MARGIN: f32 = 5.0;

/// Writes crops below a folder.
pub(crate) struct Crops {
    folder: PathBuf,
    /// Name of the folder of each class.
    classes: Vec<String>,
    /// The images, which no crop may replace.
    inputs: Inputs,
}

impl Crops {
    /// For the classes of a network, below `folder`; `images` are never overwritten.
    pub(crate) fn new(folder: PathBuf, class_names: &[String], images: &[PathBuf]) -> Self {
        Self { folder, classes: folder_names(class_names), inputs: Inputs::new(images) }
    }

    /// Writes a crop for each object, named like `picture` and numbered from 1: `bird/photo-1.jpg`.
    ///
    /// # Errors
    /// If a file cannot be written, or is one of the images.
    pub(crate) fn write(&self, image: &RgbImage, detections: &[Detection], picture: &OsStr) -> Result<()> {
        let picture = Path::new(picture);
        let stem = picture.file_stem().unwrap_or_default().to_string_lossy();
        let ending = picture.extension().unwrap_or_default().to_string_lossy();
        for (number, detection) in detections.iter().enumerate() {
            let Some([x, y, w, h]) = cut(detection.bbox, image.dimensions()) else { continue };
            let folder = self.folder.join(&self.classes[detection.class_id]);
            std::fs::create_dir_all(&folder)
                .with_context(|| format!("cannot create {}", folder.display()))?;
            let crop = image::imageops::crop_imm(image, x, y, w, h).to_image();
            let file = folder.join(format!("{stem}-{}.{ending}", number + 1));
            self.inputs.refuse(&file, "pass another folder with --out")?;
            write_picture(&crop, &file)?;
        }
        Ok(())
    }
}

/// Left, top, width and height of the crop of a box in pixels; `None` if it is outside the image.
fn cut(bbox: Xyxy, (width, height): (u32, u32)) -> Option<[u32; 4]> {
    let side = |low: f32, high: f32, limit: u32| {
        let middle = f32::midpoint(low, high);
        let half = (high - low) * GAIN / 2.0 + MARGIN;
        let limit = limit as f32;
        // Conversions saturate, and both numbers are within the image.
        let low = (middle - half).floor().clamp(0.0, limit) as u32;
        let high = (middle + half).ceil().clamp(0.0, limit) as u32;
        (high > low).then_some((low, high - low))
    };
    let (x, w) = side(bbox.x1, bbox.x2, width)?;
    let (y, h) = side(bbox.y1, bbox.y2, height)?;
    Some([x, y, w, h])
}

/// A folder name for each class. Class names come from files of others: a name with a path in it must not
/// lead elsewhere, and two classes must not share a folder.
fn folder_names(class_names: &[String]) -> Vec<String> {
    let mut names: Vec<String> = Vec::with_capacity(class_names.len());
    for (id, name) in class_names.iter().enumerate() {
        let is_safe = |c: char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_' | '+' | '(' | ')');
        let safe: String = name.chars().map(|c| if is_safe(c) { c } else { '_' }).take(64).collect();
        let mut safe = safe.trim().to_owned();
        while safe.is_empty() || names.iter().any(|other| other.to_lowercase() == safe.to_lowercase()) {
            safe = format!("{safe}_class{id}");
        }
        names.push(safe);
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_of_classes_are_safe_and_distinct() {
        let names = ["bird", "../up", "a/b", "a:b", "", "Bird", "鸟"].map(str::to_owned);
        assert_eq!(
            folder_names(&names),
            ["bird", "___up", "a_b", "a_b_class3", "_class4", "Bird_class5", "鸟"]
        );
    }

    #[test]
    fn a_crop_has_a_margin_and_stays_in_the_image() {
        let cut = |x1, y1, x2, y2| cut(Xyxy { x1, y1, x2, y2 }, (100, 60));
        // 20 pixels become 20.4, and 5 more on each side.
        assert_eq!(cut(40.0, 20.0, 60.0, 40.0), Some([34, 14, 32, 32]));
        assert_eq!(cut(-10.0, 50.0, 20.0, 90.0), Some([0, 44, 26, 16]));
        assert_eq!(cut(120.0, 10.0, 130.0, 20.0), None);
        assert_eq!(cut(f32::NAN, 0.0, 10.0, 10.0), None);
    }

    #[test]
    fn every_object_gets_a_picture() {
        let folder = tempfile::tempdir().unwrap();
        let crops = Crops::new(folder.path().join("crops"), &["cat".to_owned(), "dog".to_owned()], &[]);
        let image = RgbImage::from_pixel(64, 64, image::Rgb([9, 99, 199]));
        let detection = |class_id, x1| {
            let bbox = Xyxy { x1, y1: 20.0, x2: x1 + 10.0, y2: 40.0 };
            Detection { bbox, confidence: 0.5, class_id }
        };
        crops.write(&image, &[detection(1, 5.0), detection(0, 30.0)], OsStr::new("photo.png")).unwrap();
        let size = |file: &str| image::open(folder.path().join("crops").join(file)).unwrap().to_rgb8();
        assert_eq!(size("dog/photo-1.png").dimensions(), (21, 32));
        assert_eq!(size("cat/photo-2.png").dimensions(), (22, 32));
        assert_eq!(size("cat/photo-2.png").get_pixel(0, 0).0, [9, 99, 199]);
    }
}
