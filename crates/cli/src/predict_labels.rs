//! [`write_labels`]: the detections in an image as a label file in YOLO format.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Result;
use bonsai_boxes::{Cxcywh, Detection};
use bonsai_checkpoint::write_file;

/// Writes a line for each object: class, then centre and size in fractions of the image, and with
/// `confidences` the confidence, in Ultralytics' format.
///
/// # Errors
/// If the file cannot be written.
pub(crate) fn write_labels(
    path: &Path,
    detections: &[Detection],
    (w, h): (u32, u32),
    confidences: bool,
) -> Result<()> {
    let mut text = String::new();
    for detection in detections {
        let bbox = Cxcywh::from(detection.bbox);
        let w = w as f32;
        let h = h as f32;
        let numbers = [bbox.cx / w, bbox.cy / h, bbox.w / w, bbox.h / h].map(significant);
        write!(text, "{} {}", detection.class_id, numbers.join(" "))?;
        if confidences {
            write!(text, " {}", significant(detection.confidence))?;
        }
        text.push('\n');
    }
    Ok(write_file(path, text.as_bytes())?)
}

/// Six significant digits without trailing zeros.
fn significant(value: f32) -> String {
    if value == 0.0 || !value.is_finite() {
        return "0".to_owned();
    }
    let before = value.abs().log10().floor() as i32 + 1;
    let text = format!("{value:.*}", (6 - before).max(0) as usize);
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use bonsai_boxes::Xyxy;

    use super::*;

    #[test]
    fn numbers_have_six_digits_as_in_c() {
        for (value, text) in [
            (0.716_796_9, "0.716797"),
            (0.5, "0.5"),
            (1.0, "1"),
            (0.012_345_678, "0.0123457"),
            (0.0, "0"),
            (0.25, "0.25"),
        ] {
            assert_eq!(significant(value), text);
        }
    }

    #[test]
    fn a_confidence_is_the_last_number_of_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("labels.txt");
        let bbox = Xyxy { x1: 10.0, y1: 10.0, x2: 30.0, y2: 20.0 };
        let detections = [Detection { bbox, confidence: 0.875, class_id: 3 }];
        let written = |confidences| {
            write_labels(&file, &detections, (100, 50), confidences).unwrap();
            std::fs::read_to_string(&file).unwrap()
        };
        assert_eq!(written(false), "3 0.2 0.3 0.2 0.2\n");
        assert_eq!(written(true), "3 0.2 0.3 0.2 0.2 0.875\n");
    }
}
