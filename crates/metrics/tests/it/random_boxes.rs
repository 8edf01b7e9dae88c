//! The 24 random images of `fixtures/metrics/generate.py`.

use bonsai_boxes::{Detection, GroundTruth, Xyxy};
use serde_json::Value;

/// The detections and the labels of one image.
pub(crate) type Image = (Vec<Detection>, Vec<GroundTruth>);

/// The fixture with its expected metrics.
pub(crate) fn fixture() -> Value {
    serde_json::from_slice(&bonsai_testkit::fixture("fixtures/metrics/expected.json.gz")).unwrap()
}

/// The number of classes and the images of [`fixture`].
pub(crate) fn images(fixture: &Value) -> (usize, Vec<Image>) {
    let images = fixture["images"].as_array().unwrap().iter().map(|image| {
        let rows = |key: &str| image[key].as_array().unwrap().iter().map(numbers).collect::<Vec<_>>();
        let detections = rows("detections")
            .iter()
            .map(|v| Detection { bbox: corners(v), confidence: v[4], class_id: v[5] as usize })
            .collect();
        let labels = rows("labels")
            .iter()
            .map(|v| GroundTruth { class_id: v[0] as usize, bbox: corners(&v[1..]) })
            .collect();
        (detections, labels)
    });
    (fixture["num_classes"].as_u64().unwrap() as usize, images.collect())
}

fn numbers(row: &Value) -> Vec<f32> {
    row.as_array().unwrap().iter().map(|v| v.as_f64().unwrap() as f32).collect()
}

fn corners(v: &[f32]) -> Xyxy {
    Xyxy { x1: v[0], y1: v[1], x2: v[2], y2: v[3] }
}
