//! Tests of non-maximum suppression inside the model.
//!
//! `rten` runs every node of it, but its `NonMaxSuppression` deviates from the standard: it divides by the
//! box around both boxes instead of their union, and compares boxes of different images. At an overlap of 1
//! neither matters, so these tests cover everything around that node; `scripts/peers/check_onnx.py` covers
//! the whole in onnxruntime and `OpenVINO`.

use bonsai_boxes::Detection;
use bonsai_graph::Size;
use bonsai_onnx::{Dynamic, ExportNms, ExportOptions, Layout, OnnxInfo, Precision, export};
use bonsai_yolov8::{NmsOptions, Predictions, nms};

use crate::form::check_form;
use crate::reader::{pictures, run, with_random_weights};
use crate::yolov8n;

const SIZE: Size = Size { height: 64, width: 96 };

/// Settings under which boxes are dropped only by score and number.
fn settings(max_detections: usize) -> ExportNms {
    ExportNms { confidence: 0.0, iou: 1.0, max_detections }
}

/// Compares the rows of the file with Bonsai's suppression of the outputs of the same file without
/// suppression. `candidates` boxes of all images are above the threshold. Returns the number of rows of each
/// image.
fn check(settings: ExportNms, candidates: usize, options: &ExportOptions, n: usize) -> Vec<usize> {
    let checkpoint = with_random_weights(yolov8n(&["a", "b", "c"]));
    let images = pictures(&checkpoint, n, SIZE);
    let ([_, rows, anchors], raw) = run(&export(&checkpoint, options).unwrap(), &images);
    let predictions = Predictions::new(n, rows - 4, anchors, raw).unwrap();
    let mut best: Vec<f32> = predictions.images().flat_map(|i| i.best().map(|(_, score)| score)).collect();
    best.sort_by(|a, b| b.total_cmp(a));
    // Between two scores: `rten` keeps a score that equals the threshold, the standard does not define this.
    let above = if candidates == 0 { 1.0 } else { best[candidates - 1] };
    let settings = ExportNms { confidence: f32::midpoint(above, best[candidates]), ..settings };
    let config = NmsOptions {
        confidence: settings.confidence,
        iou: settings.iou,
        max_detections: settings.max_detections,
        ..NmsOptions::PREDICT
    };
    let expected = nms(&predictions, &config);

    let options = ExportOptions { nms: Some(settings), ..options.clone() };
    let onnx = export(&checkpoint, &options).unwrap();
    check_form(onnx.proto());
    let (shape, found) = run(&onnx, &images);
    assert_eq!(shape, [n, settings.max_detections, 6]);
    for (image, expected) in expected.iter().enumerate() {
        for (row, values) in found[image * settings.max_detections * 6..].chunks(6).enumerate() {
            if row == settings.max_detections {
                break;
            }
            let Some(Detection { bbox, confidence, class_id }) = expected.get(row) else {
                assert_eq!(values, [0.0; 6], "row {row} of image {image}");
                continue;
            };
            let wanted = [bbox.x1, bbox.y1, bbox.x2, bbox.y2, *confidence, *class_id as f32];
            let near = values.iter().zip(wanted).all(|(a, e)| (a - e).abs() <= 1e-3);
            assert!(near, "row {row} of image {image} is {values:?}, expected {wanted:?}");
        }
    }
    expected.iter().map(Vec::len).collect()
}

#[test]
fn rows_are_sorted_and_end_in_zeros() {
    for opset in [11, 13, 17] {
        let options = ExportOptions { opset, ..ExportOptions::new(SIZE) };
        assert_eq!(check(settings(300), 60, &options, 1), [60]);
    }
    // Fewer rows than candidates.
    assert_eq!(check(settings(7), 60, &ExportOptions::new(SIZE), 1), [7]);
    assert_eq!(check(settings(300), 0, &ExportOptions::new(SIZE), 1), [0], "nothing is found");
}

#[test]
fn every_image_has_its_own_rows() {
    for dynamic in [Dynamic::Batch, Dynamic::Shape] {
        let options = ExportOptions { dynamic, ..ExportOptions::new(SIZE) };
        let found = check(settings(300), 150, &options, 3);
        assert_eq!(found.iter().sum::<usize>(), 150);
        assert!(found.iter().all(|n| *n > 0), "{found:?}");
    }
}

#[test]
fn the_file_says_that_it_suppresses() {
    let checkpoint = yolov8n(&["a", "b"]);
    let options = ExportOptions { nms: Some(ExportNms::default()), ..ExportOptions::new(Size::square(640)) };
    let info = OnnxInfo::read(&export(&checkpoint, &options).unwrap().to_bytes()).unwrap();
    assert_eq!(info.outputs[0].to_string(), "output0 FLOAT [1, 300, 6]");
    assert_eq!(info.op_counts["NonMaxSuppression"], 1);
    assert_eq!(info.get("args"), Some("{'nms': True, 'dynamic': False}"));
    let half = Precision::Half { io: bonsai_onnx::Io::Fp16 };
    let onnx = export(&checkpoint, &ExportOptions { precision: half, ..options }).unwrap();
    check_form(onnx.proto());
}

#[test]
fn settings_without_sense_are_refused() {
    let refused = |nms, layout| {
        let options = ExportOptions { nms: Some(nms), layout, ..ExportOptions::new(Size::square(64)) };
        export(&yolov8n(&["a"]), &options).unwrap_err().to_string()
    };
    let standard = ExportNms::default();
    let text = refused(ExportNms { confidence: f32::NAN, ..standard }, Layout::Ultralytics);
    assert_eq!(text, "nms confidence is NaN; from 0 to below 1 was expected");
    let text = refused(ExportNms { iou: 1.5, ..standard }, Layout::Ultralytics);
    assert_eq!(text, "nms iou is 1.5; from 0 to 1 was expected");
    let text = refused(ExportNms { max_detections: 0, ..standard }, Layout::Ultralytics);
    assert_eq!(text, "nms max_detections is 0; from 1 to 100000 was expected");
    let text = refused(standard, Layout::YoloTrtSim);
    assert!(text.starts_with("layout yolo_trt_sim and nms exclude each other"), "{text}");
}
