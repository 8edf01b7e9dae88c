//! Exported networks in runtimes that share no code with Bonsai, compared with Bonsai's executor.

use std::path::Path;

use bonsai_checkpoint::{Array, Checkpoint};
use bonsai_detector::{DetectOptions, Detector};
use bonsai_exec::Device;
use bonsai_graph::Size;
use bonsai_onnx::{ExportOptions, export};
use bonsai_prune::{Coupling, PrunePolicy, ScoreConfig, apply, score, select};
use bonsai_testkit::{RandomGraphConfig, random_array, random_model, random_weights, shared_data};
use bonsai_yolov8::{Scale, build};

use crate::import::{assert_equal, bus};
use crate::onnx::open;

/// Largest difference of boxes in pixels, and of scores; the runtimes sum in another order.
const BOX_BOUND: f32 = 1e-2;
const SCORE_BOUND: f32 = 1e-4;

/// Prunes half of the channels to odd widths; `None` if nothing can be pruned.
fn pruned(checkpoint: &Checkpoint) -> Option<Checkpoint> {
    let coupling = Coupling::from_graph(checkpoint.model.graph());
    let scores = score(&coupling, &checkpoint.weights, &ScoreConfig::default()).ok()?;
    let policy = PrunePolicy { prune_ratio: 0.5, min_channels: 1, round_to: None, ..PrunePolicy::default() };
    apply(&select(&coupling, &scores, &policy).ok()?, checkpoint).ok()
}

/// Exports for one image of `h` x `w` and compares three images, which take three runs of the file.
fn check(folder: &Path, checkpoint: &Checkpoint, (h, w): (usize, usize), what: &str) {
    let path = folder.join("exported.onnx");
    export(checkpoint, &ExportOptions::new(Size { height: h, width: w })).unwrap().save(&path).unwrap();
    let noise = random_array(3, &[3, 3, h, w]);
    let images = Array::new(noise.shape(), noise.data().iter().map(|v| v.abs().min(1.0)).collect());
    let mut ours = Detector::from_checkpoint(checkpoint.clone(), Device::Cpu).unwrap();
    let expected = ours.predict(&images).unwrap();
    let anchors = expected.anchors();
    for mut detector in open(&path) {
        assert_eq!(detector.class_names(), ours.class_names());
        let found = detector.predict(&images).unwrap();
        assert_eq!(found.as_slice().len(), expected.as_slice().len(), "{what}");
        for (i, (a, e)) in found.as_slice().iter().zip(expected.as_slice()).enumerate() {
            let row = i / anchors % (4 + expected.num_classes());
            let bound = if row < 4 { BOX_BOUND } else { SCORE_BOUND };
            assert!((a - e).abs() <= bound, "{what}, row {row}: {a}, expected {e}");
        }
    }
}

#[test]
fn random_pruned_networks_answer_as_here() {
    let folder = tempfile::tempdir().unwrap();
    let mut compared = 0;
    for seed in 0..40 {
        let model = random_model(seed, &RandomGraphConfig::default());
        let strides = &model.spec().head().strides;
        let side = strides.iter().max().unwrap() * 2;
        // Decoding rejects a distribution of one bin, and the levels must fit one image size.
        let fits = model.spec().head().reg_max > 1 && strides.iter().all(|s| side.is_multiple_of(*s));
        let Some(checkpoint) = pruned(&model.checkpoint).filter(|_| fits) else { continue };
        let images = Array::zeros(&[1, 3, side, 2 * side]);
        let Ok(mut ours) = Detector::from_checkpoint(checkpoint.clone(), Device::Cpu) else { continue };
        if ours.run(&images).is_ok() {
            check(folder.path(), &checkpoint, (side, 2 * side), &format!("seed {seed}: {model:?}"));
            compared += 1;
        }
    }
    assert!(compared >= 8, "{compared} networks");
}

#[test]
fn a_pruned_yolov8n_answers_as_here() {
    let folder = tempfile::tempdir().unwrap();
    let model = build(Scale::N, &["a", "b", "c"].map(str::to_owned)).unwrap();
    let weights = random_weights(7, model.graph());
    let checkpoint = pruned(&Checkpoint::new(model, weights).unwrap()).unwrap();
    check(folder.path(), &checkpoint, (64, 96), "yolov8n");
}

#[test]
fn a_real_export_says_what_onnxruntime_said_of_its_twin() {
    let Some(shared) = shared_data("weights/fall-yolov8s") else { return };
    let (picture, images, expected) = bus(&shared);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fall.onnx");
    let checkpoint = Checkpoint::import(shared.join("best.pt")).unwrap();
    export(&checkpoint, &ExportOptions::new(Size::square(640))).unwrap().save(&path).unwrap();
    for mut detector in open(&path) {
        let got = detector.predict(&images).unwrap();
        assert_equal(&format!("{:?}", detector.origin()), got.as_slice(), &expected, got.anchors());
        let config = DetectOptions { confidence: 0.25, iou: 0.45, ..detector.config() };
        let found = detector.detect(&picture, &config).unwrap();
        let scores: Vec<f32> = found.iter().map(|d| (d.confidence * 1000.0).round() / 1000.0).collect();
        assert_eq!(scores, [0.658, 0.648, 0.641]);
    }
}
