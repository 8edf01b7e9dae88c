//! Imported networks compared with Python for the same images: `fixtures/checkpoint`, the files in the folder
//! of the environment variable `BONSAI_PT_DIR` (filled by the fixture's script), and the shared checkpoint,
//! if they exist.

use std::fs;
use std::path::{Path, PathBuf};

use bonsai_checkpoint::Array;
use bonsai_data::RgbImage;
use bonsai_detector::{DetectOptions, Detector};
use bonsai_exec::{ExecutorKind, ExecutorOptions};
use bonsai_testkit::{Golden, imported, shared_data, workspace_root};

use crate::chain::Chain;

/// Largest difference of boxes, in pixels; some sixty layers round in another order.
const BOX_BOUND: f32 = 0.05;
/// Largest difference of scores.
const SCORE_BOUND: f32 = 1e-4;

fn executors() -> [ExecutorOptions; 2] {
    [ExecutorKind::Cpu, ExecutorKind::Candle]
        .map(|kind| ExecutorOptions { kind: Some(kind), ..ExecutorOptions::default() })
}

/// Compares decoded outputs `[4 + classes, anchors]`.
#[track_caller]
pub(crate) fn assert_equal(what: &str, got: &[f32], expected: &[f32], anchors: usize) {
    assert_eq!(got.len(), expected.len(), "{what}");
    for (i, (got, expected)) in got.iter().zip(expected).enumerate() {
        let row = i / anchors;
        let anchor = i % anchors;
        let bound = if row < 4 { BOX_BOUND } else { SCORE_BOUND };
        assert!(
            (got - expected).abs() <= bound,
            "{what}, row {row}, anchor {anchor}: {got}, expected {expected}"
        );
    }
}

#[test]
fn imported_networks_answer_as_in_python() {
    let folder = tempfile::tempdir().unwrap();
    let kept = workspace_root().join("fixtures/checkpoint");
    for name in ["old", "bare", "pruned"] {
        fs::write(folder.path().join(name).with_extension("pt"), imported(name)).unwrap();
        let answer = Path::new(name).with_extension("safetensors");
        fs::copy(kept.join(&answer), folder.path().join(&answer)).unwrap();
    }
    let mut folders = vec![folder.path().to_owned()];
    folders.extend(std::env::var_os("BONSAI_PT_DIR").map(PathBuf::from));
    let mut compared = 0;
    for entry in folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap()) {
        let path = entry.unwrap().path();
        let answer = path.with_extension("safetensors");
        if path.extension().is_none_or(|e| e != "pt") || !answer.exists() {
            continue;
        }
        let golden = Golden::load(&answer);
        let images = golden.get("images");
        let expected = golden.get("output").data();
        for options in executors() {
            let mut detector = Detector::load(&path, options).unwrap();
            let got = detector.predict(images).unwrap();
            let what = format!("{} on {:?}", path.display(), options.kind);
            assert_equal(&what, got.as_slice(), expected, got.anchors());
        }
        compared += 1;
    }
    assert!(compared >= 3, "{compared} files");
}

#[test]
fn other_architectures_are_refused_by_name() {
    let Some(folder) = std::env::var_os("BONSAI_PT_DIR").map(PathBuf::from) else {
        eprintln!(
            "not checked: set BONSAI_PT_DIR to a folder that fixtures/checkpoint/make_pt.py has filled"
        );
        return;
    };
    for (name, module) in [("other-yolo11n", "`model.2`"), ("other-yolov8n-seg", "`SegmentationModel`")] {
        let error =
            Detector::load(folder.join(format!("{name}.pt")), ExecutorOptions::default()).unwrap_err();
        let message = format!("{:#}", Chain(&error));
        assert!(message.contains(module), "{message}");
    }
}

/// The shared picture, also as a batch, and onnxruntime's output for it.
pub(crate) fn bus(folder: &Path) -> (RgbImage, Array, Vec<f32>) {
    let picture = image::open(folder.join("bus_640.png")).unwrap().to_rgb8();
    let (w, h) = picture.dimensions();
    let mut images = Array::zeros(&[1, 3, h as usize, w as usize]);
    for (x, y, pixel) in picture.enumerate_pixels() {
        for c in 0..3 {
            images.data_mut()[(c * h as usize + y as usize) * w as usize + x as usize] =
                f32::from(pixel[c]) / 255.0;
        }
    }
    // NumPy's format: ten bytes, of which the last two are the length of the header, then the header and the
    // values.
    let bytes = fs::read(folder.join("fall_bus_640_output0.npy")).unwrap();
    let start = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let expected = bytes[start..].as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
    (picture, images, expected)
}

#[test]
fn a_real_checkpoint_finds_the_three_people() {
    let Some(folder) = shared_data("weights/fall-yolov8s") else { return };
    let (picture, images, expected) = bus(&folder);
    for options in executors() {
        let mut detector = Detector::load(folder.join("best.pt"), options).unwrap();
        let got = detector.predict(&images).unwrap();
        assert_equal(&format!("{:?}", options.kind), got.as_slice(), &expected, got.anchors());
        let config = DetectOptions { imgsz: 640, confidence: 0.25, iou: 0.45, ..DetectOptions::default() };
        let found = detector.detect(&picture, &config).unwrap();
        let scores: Vec<f32> = found.iter().map(|d| (d.confidence * 1000.0).round() / 1000.0).collect();
        assert_eq!(scores, [0.658, 0.648, 0.641]);
    }
}
