//! Files with suppression: every runtime detects the same objects as the checkpoint, for any number of
//! pictures.

use std::path::Path;

use bonsai_boxes::Detection;
use bonsai_checkpoint::Checkpoint;
use bonsai_data::RgbImage;
use bonsai_detector::{DetectOptions, Detector, DetectorError, LoadOptions, Outputs, Runtime};
use bonsai_exec::Device;
use bonsai_graph::Size;
use bonsai_onnx::proto::{TensorProto, tensor_proto::DataType};
use bonsai_onnx::{Dynamic, ExportNms, ExportOptions, export};
use image::Rgb;
use prost::Message;

use crate::network::{STRIDE, bright_cells};
use crate::onnx::{open, options};
use crate::tiny_onnx::{Tiny, int, node};

const SIDE: usize = 64;
const NMS: ExportNms = ExportNms { confidence: 0.01, iou: 0.5, max_detections: 300 };

/// Boxes extend three cells around each bright cell, so that most boxes overlap several others.
fn crowded() -> Checkpoint {
    bright_cells([3, 2, 3, 3], &[4.0, 2.0])
}

/// Cells of different brightness.
fn picture(seed: u32) -> RgbImage {
    RgbImage::from_fn(SIDE as u32, SIDE as u32, |x, y| {
        let cell = x / STRIDE as u32 + 8 * (y / STRIDE as u32);
        Rgb([(190 + (cell * 37 + seed * 11) % 64) as u8; 3])
    })
}

fn save(folder: &Path, dynamic: Dynamic) -> std::path::PathBuf {
    let path = folder.join("suppressed.onnx");
    let options = ExportOptions { nms: Some(NMS), dynamic, ..ExportOptions::new(Size::square(SIDE)) };
    export(&crowded(), &options).unwrap().save(&path).unwrap();
    path
}

#[track_caller]
fn assert_same(found: &[Detection], expected: &[Detection], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (a, e) in found.iter().zip(expected) {
        let sides =
            [a.bbox.x1 - e.bbox.x1, a.bbox.y1 - e.bbox.y1, a.bbox.x2 - e.bbox.x2, a.bbox.y2 - e.bbox.y2];
        let near = sides.iter().all(|side| side.abs() < 1e-3) && (a.confidence - e.confidence).abs() < 1e-4;
        assert!(near && a.class_id == e.class_id, "{what}: {a:?}, expected {e:?}");
    }
}

#[test]
fn objects_are_those_of_the_checkpoint_for_any_number_of_pictures() {
    let folder = tempfile::tempdir().unwrap();
    let pictures: Vec<RgbImage> = (0..5).map(picture).collect();
    let config =
        DetectOptions { imgsz: SIDE, confidence: NMS.confidence, iou: NMS.iou, ..DetectOptions::default() };
    let mut checkpoint = Detector::from_checkpoint(crowded(), Device::Cpu).unwrap();
    let expected = checkpoint.detect_batch(&pictures, &config).unwrap();
    let all: usize = expected.iter().map(Vec::len).sum();
    // Some detections are kept, and many are suppressed.
    assert!(all > 20 && all < 5 * 64 / 2, "{all}");
    for dynamic in [Dynamic::None, Dynamic::Batch, Dynamic::Shape] {
        for mut detector in open(&save(folder.path(), dynamic)) {
            let agnostic = DetectOptions { agnostic: true, ..config.clone() };
            let refused = detector.detect(&pictures[0], &agnostic);
            assert!(matches!(refused, Err(DetectorError::OwnSuppression)), "{refused:?}");
            for count in [1, 2, 5] {
                let found = detector.detect_batch(&pictures[..count], &config).unwrap();
                for (found, expected) in found.iter().zip(&expected) {
                    assert_same(found, expected, &format!("{dynamic:?}, {count} pictures"));
                }
            }
        }
    }
}

#[test]
fn a_file_runs_as_many_pictures_at_once_as_its_metadata_says() {
    // The file returns results for the first picture only, like files with suppression that were traced with
    // one picture.
    let tiny = Tiny { batch: None, ..Tiny::detections() };
    let mut model = tiny.model();
    let graph = model.graph.as_mut().unwrap();
    let last = graph.node.len() - 1;
    "all".clone_into(&mut graph.node[last].output[0]);
    let zero = TensorProto {
        dims: vec![1],
        data_type: Some(DataType::Int64 as i32),
        int64_data: vec![0],
        name: Some("first".to_owned()),
        ..TensorProto::default()
    };
    graph.initializer.push(zero);
    graph.node.push(node("Gather", &["all", "first"], "output0", vec![int("axis", 0)]));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("first.onnx");
    std::fs::write(&path, model.encode_to_vec()).unwrap();
    for mut detector in open(&path) {
        let pictures: Vec<RgbImage> = (0..3).map(|_| RgbImage::from_pixel(16, 16, Rgb([255; 3]))).collect();
        let config = DetectOptions { imgsz: 16, ..detector.config() };
        let found = detector.detect_batch(&pictures, &config).unwrap();
        assert!(found.iter().all(|objects| objects.len() == 4), "{found:?}");
    }
    for (said, fine) in [("0", false), ("many", false), ("5000", false), ("3", true)] {
        let path = tiny.clone().with("batch", Some(said)).save(folder.path());
        assert_eq!(Detector::load(&path, options(Runtime::Rten)).is_ok(), fine, "batch {said}");
    }
}

#[test]
fn a_lower_confidence_shows_what_the_files_own_leaves_out() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("strict.onnx");
    let nms = Some(ExportNms { confidence: 0.999, iou: 1.0, ..NMS });
    export(&crowded(), &ExportOptions { nms, ..ExportOptions::new(Size::square(SIDE)) })
        .unwrap()
        .save(&path)
        .unwrap();
    let count = |suppress_above| {
        let options = LoadOptions { suppress_above, ..options(Runtime::Rten) };
        let mut detector = Detector::load(&path, options).unwrap();
        let images = bonsai_checkpoint::Array::new(&[1, 3, SIDE, SIDE], vec![1.0; 3 * SIDE * SIDE]);
        match detector.run(&images).unwrap() {
            Outputs::Detections(images) => images[0].len(),
            Outputs::Predictions(_) => panic!("the file contains suppression"),
        }
    };
    assert_eq!((count(None), count(Some(0.5))), (0, 64));
}
