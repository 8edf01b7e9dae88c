//! Checkpoints, engines, and files of other kinds.

use std::error::Error;
use std::path::{Path, PathBuf};

use bonsai_checkpoint::{Array, Checkpoint};
use bonsai_data::RgbImage;
use bonsai_detector::{DetectOptions, Detector, DetectorError, Origin, write_engine};
use bonsai_exec::Device;
use bonsai_graph::{DetectHead, GraphBuilder, ModelSpec, Op};
use bonsai_testkit::{Tolerance, assert_close, random_array, random_weights, reference_forward};
use bonsai_yolov8::{HeadOutput, LevelOutput, Scale, build, decode};
use image::Rgb;
use tempfile::TempDir;

use crate::chain::Chain;
use crate::network::bright_cells;

fn yolov8n() -> Checkpoint {
    let names: Vec<String> = ["leaf", "twig", "root"].map(str::to_owned).to_vec();
    let model = build(Scale::N, &names).unwrap();
    let weights = random_weights(5, model.graph());
    let mut checkpoint = Checkpoint::new(model, weights).unwrap();
    checkpoint.metadata.insert("imgsz".to_owned(), "64".to_owned());
    checkpoint
}

fn write(folder: &TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

fn load_error(path: &Path) -> DetectorError {
    Detector::load(path, Device::Cpu).unwrap_err()
}

#[test]
fn an_engine_finds_what_its_checkpoint_finds() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.safetensors");
    let engine_path = folder.path().join("a.engine");
    let checkpoint = yolov8n();
    checkpoint.save(&path).unwrap();
    write_engine(&checkpoint, &engine_path).unwrap();

    let mut original = Detector::load(&path, Device::Cpu).unwrap();
    let mut engine = Detector::load(&engine_path, Device::Cpu).unwrap();
    assert_eq!((original.origin(), engine.origin()), (Origin::Checkpoint, Origin::CpuEngine));
    assert_eq!((original.imgsz(), engine.imgsz()), (64, 64));
    assert_eq!(original.model(), engine.model());
    assert!(!engine.model().unwrap().graph().nodes().iter().any(|n| matches!(n.op(), Op::BatchNorm { .. })));

    let noise =
        RgbImage::from_fn(90, 70, |x, y| Rgb([(x * 37 + y * 91) as u8, (x * y) as u8, (x ^ y) as u8]));
    let config = DetectOptions { confidence: 0.01, ..original.config() };
    let a = original.detect(&noise, &config).unwrap();
    let b = engine.detect(&noise, &config).unwrap();
    assert!(!a.is_empty());
    assert_eq!(a.len(), b.len());
    for (a, b) in a.iter().zip(&b) {
        assert_eq!(a.class_id, b.class_id);
        let far = |a: f32, b: f32| (a - b).abs() > 1e-4;
        let moved = far(a.bbox.x1, b.bbox.x1) || far(a.bbox.y1, b.bbox.y1);
        let resized = far(a.bbox.x2, b.bbox.x2) || far(a.bbox.y2, b.bbox.y2);
        assert!(!moved && !resized && !far(a.confidence, b.confidence), "{a:?}\n{b:?}");
    }
}

/// Compares with the network before folding, run by plain loops in `f64`, which use neither folding nor the
/// executor.
#[test]
fn an_engine_predicts_what_the_unfolded_network_does() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.engine");
    let checkpoint = yolov8n();
    write_engine(&checkpoint, &path).unwrap();
    let noise = random_array(3, &[1, 3, 32, 64]);
    let images = Array::new(noise.shape(), noise.data().iter().map(|v| v.abs()).collect());
    let found = Detector::load(&path, Device::Cpu).unwrap().predict(&images).unwrap();

    let outputs = reference_forward(checkpoint.model.graph(), &checkpoint.weights, &images, false);
    let level = |(i, stride): (usize, usize)| LevelOutput {
        box_logits: outputs[i].data(),
        cls_logits: outputs[i + 3].data(),
        h: 32 / stride,
        w: 64 / stride,
        stride,
    };
    let head = HeadOutput::new(1, 3, 16, [8, 16, 32].into_iter().enumerate().map(level).collect()).unwrap();
    let expected = decode(&head);
    let boxes = 4 * found.anchors();
    let parts =
        |p: &bonsai_yolov8::Predictions| (p.as_slice()[..boxes].to_vec(), p.as_slice()[boxes..].to_vec());
    let ((a_boxes, a_scores), (b_boxes, b_scores)) = (parts(&found), parts(&expected));
    assert_close(&a_boxes, &b_boxes, Tolerance::Close, "boxes");
    assert_close(&a_scores, &b_scores, Tolerance::Close, "scores");
}

#[test]
fn engines_are_plain_small_and_reproducible() {
    let folder = tempfile::tempdir().unwrap();
    let first = folder.path().join("1");
    let second = folder.path().join("2");
    let checkpoint = yolov8n();
    write_engine(&checkpoint, &first).unwrap();
    // An engine is a checkpoint, so an engine can be made from it again; it has no batch norms left to fold.
    write_engine(&Checkpoint::load(&first).unwrap(), &second).unwrap();
    assert!(std::fs::read(&first).unwrap() == std::fs::read(&second).unwrap());
    assert!(std::fs::metadata(&first).unwrap().len() < checkpoint.to_bytes().unwrap().len() as u64);
    assert_eq!(Checkpoint::load(&first).unwrap().metadata["kind"], "cpu-engine");

    let nowhere = folder.path().join("no/such/folder/a.engine");
    let error = write_engine(&checkpoint, &nowhere).unwrap_err().to_string();
    assert!(error.contains("no/such/folder/a.engine"), "{error}");
}

#[test]
fn other_programs_files_are_recognised_by_content() {
    let folder = tempfile::tempdir().unwrap();
    // The file names claim other kinds.
    let path = write(&folder, "model.safetensors", b"ftrt\x00\x01\x02\x03\x04\x05");
    let error = load_error(&path);
    assert!(matches!(error, DetectorError::Unsupported { .. }), "{error:?}");
    let message = error.to_string();
    for part in ["a TensorRT engine", "trtexec", "model.safetensors", "not supported yet"] {
        assert!(message.contains(part), "`{part}` in: {message}");
    }
    let path = write(&folder, "model.pt", b"\x08\x08\x12\x07pytorch\x1a\x052.1.0\x3a\x80\x01");
    let message = Chain(&load_error(&path)).to_string();
    let parts = if cfg!(any(feature = "rten", feature = "ort")) {
        ["model.pt", "cannot read it as an ONNX model", "not a complete ONNX file (21 bytes)"]
    } else {
        ["model.pt", "it is an ONNX file, and this program was built without a runtime", "feature `rten`"]
    };
    for part in parts {
        assert!(message.contains(part), "`{part}` in: {message}");
    }
}

#[test]
fn garbage_is_named() {
    let folder = tempfile::tempdir().unwrap();
    for (bytes, found) in [
        (&b""[..], "it is empty"),
        (b"\x01\x02", "it ends after the bytes 01 02;"),
        (b"hello, detector", "it begins with the bytes 68 65 6c 6c 6f 2c 20 64;"),
    ] {
        let path = write(&folder, "model.onnx", bytes);
        let error = load_error(&path);
        assert!(matches!(error, DetectorError::Unknown { .. }), "{error:?}");
        let message = error.to_string();
        assert!(message.contains(found) && message.contains("model.onnx"), "{message}");
    }
    let missing = folder.path().join("nothing.safetensors");
    let error = load_error(&missing);
    assert!(matches!(error, DetectorError::Io { .. }) && error.to_string().contains("nothing.safetensors"));
    assert!(error.source().is_some());
    assert!(matches!(load_error(folder.path()), DetectorError::Io { .. }), "a folder is not a readable file");
}

#[test]
fn a_file_cut_off_anywhere_is_an_error_with_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = bright_cells([1, 1, 1, 1], &[5.0]).to_bytes().unwrap();
    assert!(Detector::load(write(&folder, "whole", &bytes), Device::Cpu).is_ok());
    for length in [0, 4, 8, 9, 100, bytes.len() / 2, bytes.len() - 1] {
        let error = load_error(&write(&folder, "cut", &bytes[..length])).to_string();
        assert!(error.contains("cut"), "{length}: {error}");
    }
    // A safetensors file of another program.
    let foreign = [&[2u8, 0, 0, 0, 0, 0, 0, 0][..], b"{}"].concat();
    let error = load_error(&write(&folder, "foreign", &foreign));
    assert!(matches!(error, DetectorError::Checkpoint(_)), "{error:?}");
    assert!(error.to_string().contains("foreign"), "{error}");
}

#[test]
fn a_checkpoint_that_is_no_detector_is_refused_with_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("odd.safetensors");
    let mut checkpoint = bright_cells([1, 1, 1, 1], &[5.0]);
    checkpoint.metadata.insert("imgsz".to_owned(), "huge".to_owned());
    checkpoint.save(&path).unwrap();
    let error = load_error(&path);
    assert!(error.to_string().contains("odd.safetensors"));
    assert!(error.source().unwrap().to_string().contains("`huge`"));

    let mut b = GraphBuilder::new();
    let x = b.push("grey", Op::Input { channels: 1 }, &[]).unwrap();
    let boxes = b.conv("boxes", x, 8, 1, 8).unwrap();
    let classes = b.conv("classes", x, 1, 1, 8).unwrap();
    let head = DetectHead {
        num_classes: 1,
        reg_max: 2,
        strides: vec![8],
        box_outputs: vec![0],
        cls_outputs: vec![1],
    };
    let model = ModelSpec::new(b.finish(&[boxes, classes]).unwrap(), head, vec!["a".to_owned()]).unwrap();
    let weights = random_weights(1, model.graph());
    let grey = Checkpoint::new(model, weights).unwrap();
    let error = Detector::from_checkpoint(grey, Device::Cpu).unwrap_err().to_string();
    assert_eq!(error, "layer `grey` takes 1 channels; a detector of RGB pictures needs 3");
}
