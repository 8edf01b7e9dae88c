//! Tests that an exported file computes the same in `rten`, which shares no code with this project, as in the
//! executor.

use bonsai_checkpoint::{Array, Checkpoint};
use bonsai_data::shapes;
use bonsai_exec::{CandleExecutor, Device, Executor, Mode};
use bonsai_graph::Size;
use bonsai_pipeline::{Parity, Stage, confirm_parity};
use bonsai_testkit::random_weights;
use bonsai_yolov8::{HeadOutput, NmsOptions, Scale, build, decode};

use crate::tiny_run::TinyRun;

/// Largest difference of a box, in pixels.
const BOX_TOLERANCE: f32 = 1e-2;
/// Largest difference of a score.
const SCORE_TOLERANCE: f32 = 1e-4;

/// Asserts that the ONNX file `name` gives the same outputs on a drawn picture as the best checkpoint of
/// `stage`, which is not folded.
pub(crate) fn onnx_equals_executor(tiny: &TinyRun, name: &str, stage: Stage) {
    let images = picture(tiny.config.imgsz);
    let checkpoint = tiny.checkpoint(stage, "best.safetensors");
    let graph = checkpoint.model.graph();
    let mut executor = CandleExecutor::new(graph, &checkpoint.weights, Device::Cpu).unwrap();
    let raw = executor.forward(Mode::Eval, &images).unwrap();
    let expected = decode(&HeadOutput::from_outputs(checkpoint.model.head(), &raw).unwrap());
    let anchors = expected.anchors();

    let bytes = std::fs::read(tiny.file(Stage::Export, name)).unwrap();
    let input = rten::Value::from_shape(images.shape(), images.data().to_vec()).unwrap();
    let output = rten::Model::load(bytes).unwrap().run_one(input.into(), None).unwrap();
    let (shape, actual) = output.into_shape_vec::<f32, 3>().unwrap();
    assert_eq!(shape, [1, 4 + expected.num_classes(), anchors]);
    for (i, (a, e)) in actual.iter().zip(expected.as_slice()).enumerate() {
        let row = i / anchors;
        let anchor = i % anchors;
        let limit = if row < 4 { BOX_TOLERANCE } else { SCORE_TOLERANCE };
        assert!((a - e).abs() <= limit, "{name}: row {row} of anchor {anchor} is {a}, expected {e}");
    }
    // Constant outputs would agree whatever the file computes, so check that they vary.
    let scores = &expected.as_slice()[4 * anchors..];
    let (least, most) = scores.iter().fold((f32::MAX, f32::MIN), |(l, m), s| (l.min(*s), m.max(*s)));
    assert!(most > least, "all scores are {most}");
}

/// A drawn picture as the network takes it: planes of red, green, blue in 0..=1.
fn picture(imgsz: usize) -> Array {
    let (image, _) = shapes::sample(77, imgsz);
    let planes = (0..3).flat_map(|c| image.pixels().map(move |pixel| f32::from(pixel.0[c]) / 255.0));
    Array::new(&[1, 3, imgsz, imgsz], planes.collect::<Vec<_>>())
}

/// `yolov8n` for three classes with random weights, whose outputs differ from anchor to anchor.
fn random_yolov8n(seed: u64) -> Checkpoint {
    let model = build(Scale::N, &["a", "b", "c"].map(str::to_owned)).unwrap();
    let weights = random_weights(seed, model.graph());
    Checkpoint::new(model, weights).unwrap()
}

#[test]
fn an_export_is_confirmed_and_that_of_other_weights_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("best.onnx");
    let checkpoint = random_yolov8n(3);
    bonsai_onnx::export(&checkpoint, &bonsai_onnx::ExportOptions::new(Size { height: 64, width: 96 }))
        .unwrap()
        .save(&file)
        .unwrap();
    let parity = confirm_parity(&checkpoint, &file, &NmsOptions::PREDICT, None).unwrap();
    let anchors = 2 * (8 * 12 + 4 * 6 + 2 * 3);
    assert_eq!(
        (parity.boxes, parity.scores, parity.size),
        (anchors, 3 * anchors, Size { height: 64, width: 96 })
    );
    assert!(parity.agrees && parity.worst_box_px > 0.0 && parity.worst_box_px <= 1e-2, "{parity:?}");
    let report = folder.path().join("best.parity.json");
    let written: Parity = serde_json::from_slice(&std::fs::read(&report).unwrap()).unwrap();
    assert_eq!(written, parity);

    let error =
        confirm_parity(&random_yolov8n(4), &file, &NmsOptions::PREDICT, None).unwrap_err().to_string();
    assert!(error.contains("best.onnx") && error.contains("(limit 0.01)") && file.exists(), "{error}");
    let written: Parity = serde_json::from_slice(&std::fs::read(&report).unwrap()).unwrap();
    assert!(!written.agrees && written.worst_box_px > 1.0, "{written:?}");
}

#[test]
fn a_file_that_suppresses_is_compared_where_there_is_something_to_compare() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("suppressed.onnx");
    let checkpoint = random_yolov8n(3);
    // Hardly any detection has this confidence.
    let nms = bonsai_onnx::ExportNms { confidence: 0.999_999, ..bonsai_onnx::ExportNms::default() };
    let options =
        bonsai_onnx::ExportOptions { nms: Some(nms), ..bonsai_onnx::ExportOptions::new(Size::square(64)) };
    bonsai_onnx::export(&checkpoint, &options).unwrap().save(&file).unwrap();
    let suppression = NmsOptions { confidence: nms.confidence, ..NmsOptions::PREDICT };
    let parity = confirm_parity(&checkpoint, &file, &suppression, None).unwrap();
    assert!(parity.confidence.unwrap() < nms.confidence, "{parity:?}");
    assert!(parity.boxes > 2 && parity.unmatched == 0 && parity.agrees, "{parity:?}");
    let error = confirm_parity(&random_yolov8n(4), &file, &suppression, None).unwrap_err().to_string();
    assert!(error.contains("suppressed.onnx"), "{error}");
}
