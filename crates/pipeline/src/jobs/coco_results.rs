//! [`CocoResult`]: a detection in COCO's format for results, which pycocotools reads.
//!
//! Classes are numbered from 1 in the order of the dataset. The published annotations of COCO number their 80
//! classes from 1 to 90 with gaps, so results on COCO itself must be renumbered before they are compared.

use std::path::Path;

use bonsai_boxes::Detection;
use bonsai_stages::path_text;
use serde::Serialize;

/// A detection in COCO's format.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CocoResult {
    /// The name of the image without extension, as a number if it is one, as the images of COCO are.
    pub image_id: ImageId,
    /// The name of the image.
    pub file_name: String,
    /// Number of the class in the dataset, from 1.
    pub category_id: usize,
    /// Left, top, width and height in pixels of the image, to three decimals.
    pub bbox: [f64; 4],
    /// Confidence in 0..=1, to five decimals.
    pub score: f64,
}

/// The identity of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum ImageId {
    /// Such as 139 for `000000000139.jpg`.
    Number(u64),
    /// Such as `street-1`.
    Name(String),
}

impl CocoResult {
    /// The result of a detection in pixels of the image, with the class number of the dataset from 0.
    pub(crate) fn new(image: &Path, detection: &Detection) -> Self {
        let stem = path_text(Path::new(image.file_stem().unwrap_or_default()));
        let rounded = |value: f32, decimals: f64| (f64::from(value) * decimals).round() / decimals;
        let corners = detection.bbox;
        let sides = [corners.x1, corners.y1, corners.x2 - corners.x1, corners.y2 - corners.y1];
        Self {
            image_id: stem.parse().map_or_else(|_| ImageId::Name(stem), ImageId::Number),
            file_name: path_text(Path::new(image.file_name().unwrap_or_default())),
            category_id: detection.class_id + 1,
            bbox: sides.map(|side| rounded(side, 1e3)),
            score: rounded(detection.confidence, 1e5),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bonsai_boxes::Xyxy;

    #[test]
    fn results_have_the_fields_of_coco() {
        let bbox = Xyxy { x1: 10.0, y1: 20.25, x2: 40.5, y2: 60.0 };
        let detection = Detection { bbox, confidence: 0.123_456_7, class_id: 2 };
        let text =
            |image: &str| serde_json::to_string(&CocoResult::new(Path::new(image), &detection)).unwrap();
        let rest = r#""category_id":3,"bbox":[10.0,20.25,30.5,39.75],"score":0.12346}"#;
        assert_eq!(
            text("val/000000000139.jpg"),
            format!(r#"{{"image_id":139,"file_name":"000000000139.jpg",{rest}"#)
        );
        assert_eq!(
            text("street-1.png"),
            format!(r#"{{"image_id":"street-1","file_name":"street-1.png",{rest}"#)
        );
    }
}
