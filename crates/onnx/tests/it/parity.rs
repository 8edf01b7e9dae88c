//! What the file computes, in `rten`, a reader that shares no code with us, against the plain-loop reference.

use bonsai_checkpoint::{Array, Checkpoint};
use bonsai_onnx::{ExportOptions, export};
use bonsai_prune::{Coupling, PrunePolicy, ScoreConfig, apply, score, select};
use bonsai_testkit::{
    RandomGraphConfig, RandomModel, arb_model, random_array, random_weights, reference_forward,
};
use bonsai_yolov8::{HeadOutput, LevelOutput, decode};
use proptest::prelude::*;
use rten::Value;

use crate::yolov8n;

/// Pixels by which a box may differ.
const BOX_TOLERANCE: f32 = 1e-2;
/// By how much a score may differ.
const SCORE_TOLERANCE: f32 = 1e-4;

/// Exports, runs the file, and compares with reference and decode.
fn check(checkpoint: &Checkpoint, h: usize, w: usize) {
    let onnx = export(checkpoint, &ExportOptions::new((h, w))).unwrap();
    let channels = checkpoint.model.graph().node(checkpoint.model.graph().input()).channels();
    let images = random_array(5, &[1, channels, h, w]);
    let input = Value::from_shape(&images.shape, images.data.clone()).unwrap();
    let model = rten::Model::load(onnx.to_bytes()).unwrap();
    let output = model.run_one(input.into(), None).unwrap();
    let (shape, actual) = output.into_shape_vec::<f32, 3>().unwrap();
    let (expected, anchors) = expected(checkpoint, &images);
    assert_eq!(shape, [1, expected.len() / anchors, anchors]);
    for (i, (a, e)) in actual.iter().zip(&expected).enumerate() {
        let (row, anchor) = (i / anchors, i % anchors);
        let limit = if row < 4 { BOX_TOLERANCE } else { SCORE_TOLERANCE };
        assert!((a - e).abs() <= limit, "row {row} of anchor {anchor} is {a}, expected {e}");
    }
}

/// `[4 + classes, anchors]` and the number of anchors.
fn expected(checkpoint: &Checkpoint, images: &Array) -> (Vec<f32>, usize) {
    let raw = reference_forward(checkpoint.model.graph(), &checkpoint.weights, images, false);
    let head = checkpoint.model.head();
    // Level by level: a random network's levels need not fit one image size.
    let levels = (0..head.strides.len()).map(|i| {
        let (boxes, classes) = (&raw[head.box_outputs[i]], &raw[head.cls_outputs[i]]);
        let level = LevelOutput {
            box_logits: &boxes.data,
            cls_logits: &classes.data,
            h: boxes.shape[2],
            w: boxes.shape[3],
            stride: head.strides[i],
        };
        decode(&HeadOutput::new(1, head.num_classes, head.reg_max, vec![level]).unwrap())
    });
    let levels: Vec<_> = levels.collect();
    let row = |i: usize| levels.iter().flat_map(move |l| &l.as_slice()[i * l.anchors()..][..l.anchors()]);
    let rows = (0..4 + head.num_classes).flat_map(row).copied().collect();
    (rows, levels.iter().map(bonsai_yolov8::Predictions::anchors).sum())
}

/// Fresh weights give nearly equal outputs everywhere: these do not.
fn with_random_weights(mut checkpoint: Checkpoint) -> Checkpoint {
    checkpoint.weights = random_weights(7, checkpoint.model.graph());
    checkpoint
}

#[test]
fn yolov8n_means_the_same() {
    check(&yolov8n(&["a", "b", "c"]), 64, 96);
    check(&with_random_weights(yolov8n(&["a", "b", "c"])), 96, 64);
}

#[test]
fn a_pruned_yolov8n_means_the_same() {
    let dense = with_random_weights(yolov8n(&["a", "b", "c"]));
    let coupling = Coupling::of(dense.model.graph());
    let scores = score(&coupling, &dense.weights, &ScoreConfig::default()).unwrap();
    // Without rounding: odd widths, and unequal halves in every split.
    let policy = PrunePolicy { prune_ratio: 0.5, min_channels: 1, round_to: None, ..PrunePolicy::default() };
    let pruned = apply(&select(&coupling, &scores, &policy).unwrap(), &dense).unwrap();
    let params = |c: &Checkpoint| c.model.graph().cost(64, 96).unwrap().params;
    assert!(params(&pruned) * 2 < params(&dense));
    check(&pruned, 64, 96);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn any_network_means_the_same(model in arb_model(RandomGraphConfig::default())) {
        let RandomModel { checkpoint, h, w } = &model;
        // Decoding refuses a distribution of one bin, whose expectation is always 0.
        prop_assume!(checkpoint.model.head().reg_max > 1);
        check(checkpoint, *h, *w);
    }
}
