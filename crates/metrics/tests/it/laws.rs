//! Properties of the metrics that hold for any boxes.

use bonsai_boxes::{Detection, GroundTruth, Xyxy};
use bonsai_metrics::{DetMetrics, Evaluator, Protocol};
use proptest::prelude::*;

const NUM_CLASSES: usize = 3;
/// The score of a perfect detector: the precision curve is pulled to 0 at the last of 101 recalls.
const PERFECT: f64 = 0.995;

type Image = (Vec<Detection>, Vec<GroundTruth>);

fn evaluate<'a>(images: impl IntoIterator<Item = &'a Image>, protocol: Protocol) -> DetMetrics {
    let mut evaluator = Evaluator::with_protocol(NUM_CLASSES, protocol);
    for (detections, labels) in images {
        evaluator.add_image(detections, labels);
    }
    evaluator.finish()
}

fn arb_box() -> impl Strategy<Value = Xyxy> {
    (0.0f32..60.0, 0.0f32..60.0, 5.0f32..40.0, 5.0f32..40.0).prop_map(|(x, y, w, h)| Xyxy {
        x1: x,
        y1: y,
        x2: x + w,
        y2: y + h,
    })
}

/// Few distinct confidences, so that ties are common.
fn arb_image() -> impl Strategy<Value = Image> {
    let detection = (arb_box(), 1u8..=20, 0..NUM_CLASSES).prop_map(|(bbox, tenth, class_id)| Detection {
        bbox,
        confidence: f32::from(tenth) / 20.0,
        class_id,
    });
    let label = (arb_box(), 0..NUM_CLASSES).prop_map(|(bbox, class_id)| GroundTruth { bbox, class_id });
    (prop::collection::vec(detection, 0..8), prop::collection::vec(label, 0..5)).prop_map(
        |(mut found, labels)| {
            // Some true positives, so that the curves are not flat.
            found.extend(labels.iter().enumerate().map(|(i, l)| Detection {
                bbox: Xyxy { x1: l.bbox.x1 + i as f32, ..l.bbox },
                confidence: 0.05 + 0.17 * i as f32,
                class_id: l.class_id,
            }));
            (found, labels)
        },
    )
}

fn arb_protocol() -> impl Strategy<Value = Protocol> {
    prop_oneof![Just(Protocol::ULTRALYTICS_80), Just(Protocol::ULTRALYTICS_84)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn figures_are_fractions(images in prop::collection::vec(arb_image(), 0..6), protocol in arb_protocol()) {
        let m = evaluate(&images, protocol);
        for figure in [m.map50, m.map50_95, m.precision, m.recall, m.confidence] {
            prop_assert!((0.0..=1.0).contains(&figure), "{m:?}");
        }
        prop_assert!(m.map50_95 <= m.map50 + 1e-12);
        prop_assert_eq!(m.instances, images.iter().map(|(_, labels)| labels.len()).sum::<usize>());
    }

    #[test]
    fn the_order_of_images_changes_nothing(
        (images, shuffled) in prop::collection::vec(arb_image(), 1..6)
            .prop_flat_map(|images| (Just(images.clone()), Just(images).prop_shuffle())),
        protocol in arb_protocol(),
    ) {
        prop_assert_eq!(evaluate(&images, protocol), evaluate(&shuffled, protocol));
    }

    #[test]
    fn a_false_positive_never_helps(
        images in prop::collection::vec(arb_image(), 1..5), protocol in arb_protocol(),
        confidence in 0.01f32..1.0, class_id in 0..NUM_CLASSES,
    ) {
        let before = evaluate(&images, protocol);
        let mut worse = images;
        let nowhere = Xyxy { x1: 500.0, y1: 500.0, x2: 520.0, y2: 520.0 };
        worse[0].0.push(Detection { bbox: nowhere, confidence, class_id });
        let after = evaluate(&worse, protocol);
        for (a, b) in after.per_class.iter().zip(&before.per_class) {
            prop_assert!(a.ap50 <= b.ap50 + 1e-12 && a.ap50_95 <= b.ap50_95 + 1e-12);
        }
    }

    #[test]
    fn a_missed_label_never_helps(
        images in prop::collection::vec(arb_image(), 1..5), protocol in arb_protocol(),
        class_id in 0..NUM_CLASSES,
    ) {
        let before = evaluate(&images, protocol);
        // A class enters the means with its first label, so only classes that already had labels are
        // compared.
        prop_assume!(before.per_class[class_id].instances > 0);
        let mut worse = images;
        let nowhere = Xyxy { x1: 500.0, y1: 500.0, x2: 520.0, y2: 520.0 };
        worse.push((Vec::new(), vec![GroundTruth { bbox: nowhere, class_id }]));
        let after = evaluate(&worse, protocol);
        prop_assert!(after.map50 <= before.map50 + 1e-12);
    }

    #[test]
    fn exact_detections_score_the_ceiling(
        images in prop::collection::vec(prop::collection::vec((arb_box(), 0..NUM_CLASSES), 0..5), 1..5),
        protocol in arb_protocol(),
    ) {
        // Labels are placed 100 px apart, so that no two overlap.
        let images: Vec<Image> = images
            .iter()
            .map(|boxes| {
                let labels: Vec<GroundTruth> = boxes
                    .iter()
                    .enumerate()
                    .map(|(i, &(b, class_id))| {
                        let shift = 100.0 * i as f32;
                        GroundTruth { bbox: Xyxy { x1: b.x1 + shift, x2: b.x2 + shift, ..b }, class_id }
                    })
                    .collect();
                let found =
                    |l: &GroundTruth| Detection { bbox: l.bbox, confidence: 0.8, class_id: l.class_id };
                (labels.iter().map(found).collect(), labels)
            })
            .collect();
        let metrics = evaluate(&images, protocol);
        let expected = if metrics.instances > 0 { PERFECT } else { 0.0 };
        prop_assert!((metrics.map50 - expected).abs() < 1e-9, "{metrics:?}");
        prop_assert!((metrics.map50_95 - expected).abs() < 1e-9, "{metrics:?}");
        if metrics.instances > 0 {
            prop_assert!((metrics.precision - 1.0).abs() < 1e-9 && (metrics.recall - 1.0).abs() < 1e-9);
        }
    }
}

#[test]
fn nothing_at_all_is_no_error() {
    let empty = Evaluator::new(NUM_CLASSES).finish();
    assert_eq!((empty.map50, empty.images, empty.per_class.len()), (0.0, 0, NUM_CLASSES));
    assert_eq!(Evaluator::new(0).finish(), DetMetrics::default());

    let bbox = Xyxy { x1: 0.0, y1: 0.0, x2: 10.0, y2: 10.0 };
    let only_labels = (vec![], vec![GroundTruth { bbox, class_id: 1 }]);
    let metrics = evaluate([&only_labels], Protocol::default());
    assert_eq!((metrics.map50, metrics.precision, metrics.instances), (0.0, 0.0, 1));

    let only_detections = (vec![Detection { bbox, confidence: 0.5, class_id: 1 }], vec![]);
    let metrics = evaluate([&only_detections], Protocol::default());
    assert_eq!((metrics.map50, metrics.recall, metrics.instances), (0.0, 0.0, 0));
}

#[test]
fn classes_beyond_the_expected_ones_are_counted_not_lost() {
    let bbox = Xyxy { x1: 0.0, y1: 0.0, x2: 10.0, y2: 10.0 };
    let image = (
        vec![
            Detection { bbox, confidence: 0.5, class_id: 9 },
            Detection { bbox, confidence: 0.5, class_id: usize::MAX },
            Detection { bbox, confidence: f32::NAN, class_id: 9 },
        ],
        vec![GroundTruth { bbox, class_id: 9 }],
    );
    let metrics = evaluate([&image], Protocol::default());
    let ids: Vec<usize> = metrics.per_class.iter().map(|class| class.class_id).collect();
    assert_eq!(ids, [0, 1, 2, 9]);
    assert!((metrics.map50 - PERFECT).abs() < 1e-9);
}

#[test]
fn figures_survive_json() {
    let bbox = Xyxy { x1: 0.0, y1: 0.0, x2: 10.0, y2: 10.0 };
    let image =
        (vec![Detection { bbox, confidence: 0.5, class_id: 0 }], vec![GroundTruth { bbox, class_id: 0 }]);
    let metrics = evaluate([&image], Protocol::ULTRALYTICS_84);
    let text = serde_json::to_string(&metrics).unwrap();
    assert!(text.contains("\"map50_95\"") && text.contains("\"per_class\""));
    // The last bit may differ: serde_json reads floats exactly only with its `float_roundtrip` feature.
    let read: DetMetrics = serde_json::from_str(&text).unwrap();
    assert!((read.map50 - metrics.map50).abs() < 1e-12);
    assert_eq!((read.per_class.len(), read.images, read.instances), (NUM_CLASSES, 1, 1));
}
