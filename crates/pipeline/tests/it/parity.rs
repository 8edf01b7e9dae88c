//! What an exported file computes, in `rten`, a reader that shares no code with us, against the executor.

use bonsai_checkpoint::Array;
use bonsai_data::shapes;
use bonsai_exec::{CandleExecutor, Device, Executor, Mode};
use bonsai_pipeline::Stage;
use bonsai_yolov8::{HeadOutput, decode};

use crate::tiny_run::TinyRun;

/// Pixels by which a box may differ.
const BOX_TOLERANCE: f32 = 1e-2;
/// By how much a score may differ.
const SCORE_TOLERANCE: f32 = 1e-4;

/// The ONNX file `name` says of a drawn picture what the best checkpoint of `stage` says, which is not folded.
pub(crate) fn onnx_equals_executor(tiny: &TinyRun, name: &str, stage: Stage) {
    let images = picture(tiny.config.imgsz);
    let checkpoint = tiny.checkpoint(stage, "best.safetensors");
    let graph = checkpoint.model.graph();
    let mut executor = CandleExecutor::new(graph, &checkpoint.weights, Device::Cpu).unwrap();
    let raw = executor.forward(Mode::Eval, &images).unwrap();
    let expected = decode(&HeadOutput::of(checkpoint.model.head(), &raw).unwrap());
    let anchors = expected.anchors();

    let bytes = std::fs::read(tiny.file(Stage::Export, name)).unwrap();
    let input = rten::Value::from_shape(&images.shape, images.data.clone()).unwrap();
    let output = rten::Model::load(bytes).unwrap().run_one(input.into(), None).unwrap();
    let (shape, actual) = output.into_shape_vec::<f32, 3>().unwrap();
    assert_eq!(shape, [1, 4 + expected.num_classes(), anchors]);
    for (i, (a, e)) in actual.iter().zip(expected.as_slice()).enumerate() {
        let (row, anchor) = (i / anchors, i % anchors);
        let limit = if row < 4 { BOX_TOLERANCE } else { SCORE_TOLERANCE };
        assert!((a - e).abs() <= limit, "{name}: row {row} of anchor {anchor} is {a}, expected {e}");
    }
    // Outputs that do not depend on the picture would agree whatever the file does with it.
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
