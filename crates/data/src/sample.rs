//! [`Sample`] and [`Label`]: an image with its objects; [`Scan`]: what reading a split found.

use std::path::PathBuf;

use bonsai_boxes::{Cxcywh, GroundTruth, Xyxy};

use crate::Flaws;

/// One labelled object.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Label {
    /// Index into the class names.
    pub class_id: usize,
    /// Box of the object, in fractions of the image that the label belongs to.
    pub bbox: Cxcywh,
}

/// One image file and the objects labelled on it.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Path of the image file.
    pub image_path: PathBuf,
    /// Width and height in pixels, EXIF orientation applied.
    pub size: (u32, u32),
    /// The objects, in fractions of the image; none for a background image.
    pub labels: Vec<Label>,
}

impl Sample {
    /// The objects in pixels of the image file, as metrics compare them with detections.
    pub fn ground_truth(&self) -> Vec<GroundTruth> {
        let width = self.size.0 as f32;
        let height = self.size.1 as f32;
        self.labels
            .iter()
            .map(|label| {
                let b = Xyxy::from(label.bbox);
                let bbox = Xyxy { x1: b.x1 * width, y1: b.y1 * height, x2: b.x2 * width, y2: b.y2 * height };
                GroundTruth { bbox, class_id: label.class_id }
            })
            .collect()
    }
}

/// Counts and flaws of a scan.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Scan {
    /// Usable images.
    pub images: usize,
    /// Usable labels.
    pub instances: usize,
    /// Usable images without any label.
    pub backgrounds: usize,
    /// Everything that was left out or assumed, with the reason, in the order of the images.
    pub warnings: Flaws,
    /// Image files that were found or listed, usable or not.
    pub found: usize,
    /// Rows in the label files of usable images, usable or not.
    pub rows: usize,
    /// The path at which the labels of the first image were looked for first.
    pub label_path: Option<PathBuf>,
}
