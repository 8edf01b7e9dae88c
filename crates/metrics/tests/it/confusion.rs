//! Confusion matrices of Ultralytics' own class, for the random boxes (seed 7) and for hand-made ties and
//! edge cases.
//!
//! The tables were counted by `ConfusionMatrix.process_batch` of `ultralytics.utils.metrics`, image by image,
//! at its default confidence and overlap (0.25, 0.45): 8.3.100 and 8.4.190 on PyTorch 2.15.0 and NumPy 2.4.6.
//! Its rows are predicted and its columns true classes, as here.

use bonsai_boxes::{Detection, GroundTruth, Xyxy};
use bonsai_metrics::{ClassOutOfRange, ConfusionMatrix, Protocol};
use proptest::prelude::*;

use crate::random_boxes::{Image, fixture, images};

type Table = [[u64; 5]; 5];
/// (predicted, true) cells, each counted once.
type Cells = Vec<(usize, usize)>;

fn count(images: &[Image], protocol: Protocol) -> Table {
    let mut matrix = ConfusionMatrix::with_protocol(4, protocol);
    for (detections, labels) in images {
        matrix.add_image(detections, labels).unwrap();
    }
    std::array::from_fn(|predicted| std::array::from_fn(|actual| matrix.count(predicted, actual)))
}

fn corners([x1, y1, x2, y2]: [f32; 4]) -> Xyxy {
    Xyxy { x1, y1, x2, y2 }
}

fn image(found: &[([f32; 4], f32, usize)], labels: &[(usize, [f32; 4])]) -> Image {
    let found =
        found.iter().map(|&(b, confidence, class_id)| Detection { bbox: corners(b), confidence, class_id });
    let labels = labels.iter().map(|&(class_id, b)| GroundTruth { class_id, bbox: corners(b) });
    (found.collect(), labels.collect())
}

/// Small images with the cells that the two releases count; 4 is the background.
fn by_hand() -> Vec<(Image, Cells, Cells)> {
    const A: [f32; 4] = [10.0, 10.0, 50.0, 50.0];
    const LOOSE: [f32; 4] = [14.0, 10.0, 54.0, 50.0];
    const NONE: usize = 4;
    let edge = image(
        // At the limits: a confidence of 0.25 and an IoU of 0.45 do not count.
        &[(A, 0.25, 0), ([0.0, 0.0, 9.0, 20.0], 0.8, 1)],
        &[(1, [0.0, 0.0, 20.0, 20.0]), (2, A)],
    );
    vec![
        // Equal boxes and confidences.
        (
            image(&[(A, 0.9, 0), (A, 0.9, 1), (A, 0.9, 2)], &[(0, A), (1, A)]),
            vec![(0, NONE), (1, NONE), (2, 1), (NONE, 0)],
            vec![(0, 0), (1, 1), (2, NONE)],
        ),
        (image(&[(A, 0.9, 1)], &[(0, A), (1, A)]), vec![(1, 1), (NONE, 0)], vec![(1, 0), (NONE, 1)]),
        (image(&[(A, 0.9, 1), (A, 0.9, 0)], &[(0, A)]), vec![(0, 0), (1, NONE)], vec![(0, NONE), (1, 0)]),
        (edge, vec![(1, NONE), (NONE, 1), (NONE, 2)], vec![(1, NONE), (NONE, 1), (NONE, 2)]),
        // Confident with a loose box against unsure with a tight box, without and with another label for the
        // loser.
        (image(&[(LOOSE, 0.9, 0), (A, 0.3, 2)], &[(2, A)]), vec![(0, NONE), (2, 2)], vec![(0, 2), (2, NONE)]),
        (
            image(&[(LOOSE, 0.9, 0), (A, 0.3, 2)], &[(2, A), (1, [22.0, 10.0, 62.0, 50.0])]),
            vec![(0, NONE), (2, 2), (NONE, 1)],
            vec![(0, 2), (2, 1)],
        ),
        // No detections; no labels; neither.
        (image(&[], &[(0, A), (2, A)]), vec![(NONE, 0), (NONE, 2)], vec![(NONE, 0), (NONE, 2)]),
        (image(&[(A, 0.9, 0), (A, 0.2, 0)], &[]), vec![(0, NONE)], vec![(0, NONE)]),
        (image(&[], &[]), vec![], vec![]),
    ]
}

#[test]
fn random_boxes_are_confused_as_in_ultralytics() {
    let (_, images) = images(&fixture());
    let pairs_by_overlap =
        [[15, 1, 0, 0, 18], [2, 14, 1, 0, 14], [1, 0, 22, 0, 25], [0, 0, 0, 0, 8], [6, 12, 7, 0, 0]];
    let pairs_by_confidence =
        [[15, 1, 1, 0, 17], [2, 14, 1, 0, 14], [1, 0, 22, 0, 25], [0, 0, 0, 0, 8], [6, 12, 6, 0, 0]];
    assert_eq!(count(&images, Protocol::ULTRALYTICS_80), pairs_by_overlap, "8.3.100");
    assert_eq!(count(&images, Protocol::ULTRALYTICS_84), pairs_by_confidence, "8.4.190");
}

#[test]
fn ties_and_edges_are_decided_as_in_ultralytics() {
    for (index, (image, old, new)) in by_hand().into_iter().enumerate() {
        for (protocol, cells) in [(Protocol::ULTRALYTICS_80, old), (Protocol::ULTRALYTICS_84, new)] {
            let mut expected = Table::default();
            for (predicted, actual) in cells {
                expected[predicted][actual] += 1;
            }
            assert_eq!(
                count(std::slice::from_ref(&image), protocol),
                expected,
                "image {index}, {protocol:?}"
            );
        }
    }
}

#[test]
fn columns_of_shares_sum_to_one_or_nothing() {
    let (num_classes, images) = images(&fixture());
    let mut matrix = ConfusionMatrix::new(num_classes);
    for (detections, labels) in &images {
        matrix.add_image(detections, labels).unwrap();
    }
    let shares = matrix.normalised();
    assert_eq!(shares.len(), matrix.counts().len());
    for actual in 0..=num_classes {
        let sum: f64 = shares.iter().skip(actual).step_by(num_classes + 1).sum();
        let expected = if actual == 3 { 0.0 } else { 1.0 }; // the last class never has labels
        assert!((sum - expected).abs() < 1e-12, "column {actual} sums to {sum}");
    }
    assert!((shares[0] - 15.0 / 24.0).abs() < 1e-12);
}

#[test]
fn an_unknown_class_is_an_error_and_counts_nothing() {
    let bbox = corners([0.0, 0.0, 10.0, 10.0]);
    let mut matrix = ConfusionMatrix::new(2);
    let labels = [GroundTruth { bbox, class_id: 1 }];
    for (confidence, fails) in [(0.9, true), (0.1, false), (f32::NAN, false)] {
        let found = [Detection { bbox, confidence, class_id: 2 }];
        let expected = if fails { Err(ClassOutOfRange { class_id: 2, num_classes: 2 }) } else { Ok(()) };
        assert_eq!(matrix.add_image(&found, &labels), expected);
    }
    // The label is missed twice, and nothing of the failed image is counted.
    assert_eq!(matrix.count(matrix.background(), 1), 2);
    assert_eq!(matrix.counts().iter().sum::<u64>(), 2);
    let text = ClassOutOfRange { class_id: 2, num_classes: 2 }.to_string();
    assert!(text.contains("class 2") && text.contains("2 classes"), "{text}");
}

#[test]
fn no_classes_leave_the_background_alone() {
    let mut matrix = ConfusionMatrix::new(0);
    matrix.add_image(&[], &[]).unwrap();
    assert_eq!((matrix.counts(), matrix.normalised()), (&[0][..], vec![0.0]));
}

fn arb_image() -> impl Strategy<Value = Image> {
    // A coarse grid and few confidences, so that equal overlaps and equal scores are common.
    let bbox = (0u8..6, 0u8..6, 2u8..5, 2u8..5)
        .prop_map(|(x, y, w, h)| corners([x, y, x + w, y + h].map(|v| 10.0 * f32::from(v))));
    let detection = (bbox.clone(), 1u8..=5, 0usize..4).prop_map(|(bbox, fifth, class_id)| Detection {
        bbox,
        confidence: f32::from(fifth) / 5.0,
        class_id,
    });
    let label = (bbox, 0usize..4).prop_map(|(bbox, class_id)| GroundTruth { bbox, class_id });
    (prop::collection::vec(detection, 0..9), prop::collection::vec(label, 0..6))
}

proptest! {
    #[test]
    fn every_label_and_every_detection_counts_once_in_any_order(
        (images, shuffled) in prop::collection::vec(arb_image(), 0..6)
            .prop_flat_map(|images| (Just(images.clone()), Just(images).prop_shuffle())),
        protocol in prop_oneof![Just(Protocol::ULTRALYTICS_80), Just(Protocol::ULTRALYTICS_84)],
    ) {
        let table = count(&images, protocol);
        prop_assert_eq!(table, count(&shuffled, protocol));
        for class_id in 0..4 {
            let labels = images.iter().flat_map(|(_, labels)| labels).filter(|l| l.class_id == class_id);
            prop_assert_eq!(table.iter().map(|row| row[class_id]).sum::<u64>(), labels.count() as u64);
            let found = images.iter().flat_map(|(found, _)| found);
            let found = found.filter(|d| d.class_id == class_id && d.confidence > 0.25);
            prop_assert_eq!(table[class_id].iter().sum::<u64>(), found.count() as u64);
        }
        prop_assert_eq!(table[4][4], 0);
    }
}
