//! [`run`] and [`expected`]: results of a file in `rten`, an independent reader, and expected results.

use bonsai_checkpoint::{Array, Checkpoint};
use bonsai_graph::Size;
use bonsai_onnx::{ExportOptions, OnnxModel, export};
use bonsai_prune::{Coupling, PrunePolicy, ScoreConfig, apply, score, select};
use bonsai_testkit::{ReferenceTensor, random_array, random_weights, reference_wires};
use bonsai_yolov8::{HeadOutput, LevelOutput, Predictions, decode};
use rten::Value;

use crate::yolov8n;

/// Pixels by which a box may differ.
pub(crate) const BOX_TOLERANCE: f32 = 1e-2;
/// Largest difference of a score.
pub(crate) const SCORE_TOLERANCE: f32 = 1e-4;

/// Runs a file in `rten`; returns shape and values of its output. `rten` converts 16 bits to 32 when it reads
/// a file.
pub(crate) fn run(onnx: &OnnxModel, images: &Array) -> ([usize; 3], Vec<f32>) {
    let input = Value::from_shape(images.shape(), images.data().to_vec()).unwrap();
    let model = rten::Model::load(onnx.to_bytes()).unwrap();
    let output = model.run_one(input.into(), None).unwrap();
    output.into_shape_vec::<f32, 3>().unwrap()
}

/// Random pictures `[n, c, h, w]`, with as many channels as the network takes.
pub(crate) fn pictures(checkpoint: &Checkpoint, n: usize, Size { height: h, width: w }: Size) -> Array {
    let channels = checkpoint.model.graph().node(checkpoint.model.graph().input()).channels();
    random_array(5, &[n, channels, h, w])
}

/// The expected output `[n, 4 + classes, anchors]`, computed in plain loops, and the number of anchors.
pub(crate) fn expected(checkpoint: &Checkpoint, images: &Array) -> (Vec<f32>, usize) {
    let wires = reference_wires(checkpoint.model.graph(), &checkpoint.weights, images, false);
    decoded(checkpoint, &wires)
}

/// Decodes the output wires of a network.
pub(crate) fn decoded(checkpoint: &Checkpoint, wires: &[ReferenceTensor]) -> (Vec<f32>, usize) {
    let graph = checkpoint.model.graph();
    let head = checkpoint.model.head();
    let output = |i: usize| {
        let wire = &wires[graph.outputs()[i].index()];
        (wire.shape, wire.data.iter().map(|v| *v as f32).collect::<Vec<f32>>())
    };
    // Level by level, because the levels of a random network need not fit one image size.
    let levels = (0..head.strides.len()).map(|i| {
        let ((shape, boxes), (_, classes)) = (output(head.box_outputs[i]), output(head.cls_outputs[i]));
        let level = LevelOutput {
            box_logits: &boxes,
            cls_logits: &classes,
            h: shape[2],
            w: shape[3],
            stride: head.strides[i],
        };
        decode(&HeadOutput::new(shape[0], head.num_classes, head.reg_max, vec![level]).unwrap())
    });
    let levels: Vec<Predictions> = levels.collect();
    let images = wires[graph.input().index()].shape[0];
    let rows = 4 + head.num_classes;
    let row = |i: usize| levels.iter().flat_map(move |l| &l.as_slice()[i * l.anchors()..][..l.anchors()]);
    ((0..images * rows).flat_map(row).copied().collect(), levels.iter().map(Predictions::anchors).sum())
}

/// Compares outputs `[n, 4 + classes, anchors]`.
pub(crate) fn compare(actual: &[f32], expected: &[f32], rows: usize, anchors: usize) {
    assert_eq!(actual.len(), expected.len());
    for (i, (a, e)) in actual.iter().zip(expected).enumerate() {
        let row = i / anchors % rows;
        let anchor = i % anchors;
        let limit = if row < 4 { BOX_TOLERANCE } else { SCORE_TOLERANCE };
        assert!((a - e).abs() <= limit, "row {row} of anchor {anchor} is {a}, expected {e}");
    }
}

/// Exports, runs the file on `n` images, and compares the output with reference and decoding.
pub(crate) fn check(checkpoint: &Checkpoint, options: &ExportOptions, n: usize, size: Size) {
    check_against(checkpoint, checkpoint, options, n, size);
}

/// As [`check`], for a file that should compute the same as another network.
pub(crate) fn check_against(
    checkpoint: &Checkpoint,
    reference: &Checkpoint,
    options: &ExportOptions,
    n: usize,
    size: Size,
) {
    let images = pictures(checkpoint, n, size);
    let (shape, actual) = run(&export(checkpoint, options).unwrap(), &images);
    let (expected, anchors) = expected(reference, &images);
    let rows = expected.len() / (n * anchors);
    assert_eq!(shape, [n, rows, anchors]);
    compare(&actual, &expected, rows, anchors);
}

/// Replaces the weights, because fresh ones give nearly equal outputs everywhere.
pub(crate) fn with_random_weights(mut checkpoint: Checkpoint) -> Checkpoint {
    checkpoint.weights = random_weights(7, checkpoint.model.graph());
    checkpoint
}

/// A network with odd widths and unequal halves in every split.
pub(crate) fn pruned() -> Checkpoint {
    let dense = with_random_weights(yolov8n(&["a", "b", "c"]));
    let coupling = Coupling::from_graph(dense.model.graph());
    let scores = score(&coupling, &dense.weights, &ScoreConfig::default()).unwrap();
    let policy = PrunePolicy { prune_ratio: 0.5, min_channels: 1, round_to: None, ..PrunePolicy::default() };
    let pruned = apply(&select(&coupling, &scores, &policy).unwrap(), &dense).unwrap();
    let params = |c: &Checkpoint| c.model.graph().cost(Size { height: 64, width: 96 }).unwrap().params;
    assert!(params(&pruned) * 2 < params(&dense));
    pruned
}
