//! Invariants of the loss for random heads and targets.

use bonsai_boxes::Cxcywh;
use bonsai_yolov8::{HeadOutput, LevelOutput, LossGains, Scale, Target, assign, build, detection_loss};
use proptest::prelude::*;

const BATCH: usize = 2;
const CLASSES: usize = 3;
const BINS: usize = 16;
/// Rows, columns, stride: a 64 x 32 px image.
const LEVELS: [(usize, usize, usize); 2] = [(4, 8, 8), (2, 4, 16)];
const BOX_VALUES: usize = BATCH * 4 * BINS * (32 + 8);
const CLS_VALUES: usize = BATCH * CLASSES * (32 + 8);

fn head<'a>(boxes: &'a [f32], classes: &'a [f32]) -> HeadOutput<'a> {
    let mut boxes = boxes;
    let mut classes = classes;
    let mut levels = Vec::new();
    for (h, w, stride) in LEVELS {
        let (box_logits, more_boxes) = boxes.split_at(BATCH * 4 * BINS * h * w);
        let (cls_logits, more_classes) = classes.split_at(BATCH * CLASSES * h * w);
        (boxes, classes) = (more_boxes, more_classes);
        levels.push(LevelOutput { box_logits, cls_logits, h, w, stride });
    }
    HeadOutput::new(BATCH, CLASSES, BINS, levels).unwrap()
}

fn arb_target() -> impl Strategy<Value = Target> {
    (0..BATCH, 0..CLASSES, 0.1f32..0.9, 0.1f32..0.9, 0.01f32..0.9, 0.01f32..0.9)
        .prop_map(|(image, class_id, cx, cy, w, h)| Target { image, class_id, bbox: Cxcywh { cx, cy, w, h } })
}

/// Low bins are more likely, so that predicted boxes have the size of the objects.
fn arb_logits() -> impl Strategy<Value = (Vec<f32>, Vec<f32>)> {
    let boxes = prop::collection::vec(-2.0f32..2.0, BOX_VALUES);
    let classes = prop::collection::vec(-4.0f32..3.0, CLS_VALUES);
    (boxes, classes).prop_map(|(mut boxes, classes)| {
        let mut first = 0;
        for (h, w, _) in LEVELS {
            for i in 0..BATCH * 4 * BINS * h * w {
                boxes[first + i] -= (i / (h * w) % BINS) as f32;
            }
            first += BATCH * 4 * BINS * h * w;
        }
        (boxes, classes)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// The results are equal bit for bit, because the order of the labels in a file must not matter.
    #[test]
    fn order_of_targets_changes_nothing(
        (boxes, classes) in arb_logits(),
        (targets, shuffled) in prop::collection::vec(arb_target(), 0..8)
            .prop_flat_map(|t| (Just(t.clone()), Just(t).prop_shuffle())),
    ) {
        let head = head(&boxes, &classes);
        let a = detection_loss(&head, &targets, LossGains::default()).unwrap();
        let b = detection_loss(&head, &shuffled, LossGains::default()).unwrap();
        prop_assert_eq!(a, b);
    }

    #[test]
    fn assignment_keeps_its_promises(
        (boxes, classes) in arb_logits(),
        targets in prop::collection::vec(arb_target(), 0..8),
    ) {
        let head = head(&boxes, &classes);
        for (image, positives) in assign(&head, &targets).unwrap().iter().enumerate() {
            prop_assert!(positives.windows(2).all(|p| p[0].anchor < p[1].anchor), "one object per anchor");
            for p in positives {
                prop_assert_eq!(targets[p.target].image, image);
                prop_assert!(p.score > 0.0 && p.score <= 1.0);
                prop_assert!(p.anchor < head.anchors());
            }
        }
    }

    /// The class gradients of an anchor without an object are positive, and its box gradient is zero.
    #[test]
    fn without_targets_there_is_only_the_class_part((boxes, classes) in arb_logits()) {
        let found = detection_loss(&head(&boxes, &classes), &[], LossGains::default()).unwrap();
        prop_assert_eq!((found.items.bbox, found.items.dfl), (0.0, 0.0));
        prop_assert!((found.total - BATCH as f32 * found.items.cls).abs() <= 1e-6 * found.total);
        for level in &found.gradients {
            prop_assert!(level.box_logits.iter().all(|&v| v == 0.0));
            prop_assert!(level.cls_logits.iter().all(|&v| v > 0.0));
        }
        let softplus: f64 = classes.iter().map(|&x| f64::from(x).exp().ln_1p()).sum();
        prop_assert!((f64::from(found.items.cls) - 0.5 * softplus).abs() < 1e-5 * softplus);
    }

    /// Value and gradient match: a small step against the gradient lowers the loss.
    #[test]
    fn descent_descends((boxes, classes) in arb_logits()) {
        let before = detection_loss(&head(&boxes, &classes), &[], LossGains::default()).unwrap();
        let gradient = before.gradients.iter().flat_map(|l| l.cls_logits.iter());
        let moved: Vec<f32> = classes.iter().zip(gradient).map(|(x, g)| x - 0.05 * g).collect();
        let after = detection_loss(&head(&boxes, &moved), &[], LossGains::default()).unwrap();
        prop_assert!(after.total < before.total);
    }
}

/// The levels come from C2f blocks 15, 18 and 21, at their last activation.
#[test]
fn the_head_of_yolov8_reads_the_three_levels_of_the_neck() {
    let model = build(Scale::N, &["cell".to_owned()]).unwrap();
    let graph = model.graph();
    let inputs: Vec<(String, usize)> = model
        .head_inputs()
        .into_iter()
        .map(|id| {
            (
                graph.node(id).name().split('.').take(2).collect::<Vec<_>>().join("."),
                graph.node(id).channels(),
            )
        })
        .collect();
    assert_eq!(
        inputs,
        [("model.15".to_owned(), 64), ("model.18".to_owned(), 128), ("model.21".to_owned(), 256)]
    );
}
