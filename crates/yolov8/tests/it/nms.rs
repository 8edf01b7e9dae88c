//! Non-maximum suppression: hand-made cases, invariants, and comparison with Ultralytics.

use bonsai_boxes::{Detection, Xyxy};
use bonsai_yolov8::{NmsOptions, Predictions, nms};
use proptest::prelude::*;

use crate::golden::{Golden, assert_close};

/// One image with the given boxes (x1, y1, x2, y2) and scores per class.
fn predictions<const C: usize>(anchors: &[([f32; 4], [f32; C])]) -> Predictions {
    let mut planes = vec![Vec::new(); 4 + C];
    for ([x1, y1, x2, y2], scores) in anchors {
        let bbox = [f32::midpoint(*x1, *x2), f32::midpoint(*y1, *y2), x2 - x1, y2 - y1];
        for (plane, value) in planes.iter_mut().zip(bbox.iter().chain(scores)) {
            plane.push(*value);
        }
    }
    Predictions::new(1, C, anchors.len(), planes.concat()).unwrap()
}

fn found<const C: usize>(anchors: &[([f32; 4], [f32; C])], config: &NmsOptions) -> Vec<(f32, usize)> {
    let images = nms(&predictions(anchors), config);
    images[0].iter().map(|d| (d.confidence, d.class_id)).collect()
}

/// `IoU` of the first two is 0.8, of the first and third 0.25 (100 x 100 boxes shifted by 11.1 and 60 px).
const ROW: [[f32; 4]; 3] = [[0.0, 0.0, 100.0, 100.0], [11.1, 0.0, 111.1, 100.0], [60.0, 0.0, 160.0, 100.0]];

#[test]
fn the_better_of_two_that_overlap_stays() {
    let anchors = [(ROW[0], [0.6]), (ROW[1], [0.9]), (ROW[2], [0.3])];
    assert_eq!(found(&anchors, &NmsOptions::PREDICT), [(0.9, 0), (0.3, 0)]);
    let lenient = NmsOptions { iou: 0.85, ..NmsOptions::PREDICT };
    assert_eq!(found(&anchors, &lenient), [(0.9, 0), (0.6, 0), (0.3, 0)]);
}

/// A dropped box must not suppress another one: the third box overlaps only the second.
#[test]
fn the_dropped_do_not_suppress() {
    let anchors = [(ROW[0], [0.9]), (ROW[1], [0.8]), ([22.2, 0.0, 122.2, 100.0], [0.7])];
    assert_eq!(found(&anchors, &NmsOptions::PREDICT), [(0.9, 0), (0.7, 0)]);
}

#[test]
fn classes_do_not_suppress_each_other() {
    let anchors = [(ROW[0], [0.9, 0.4]), (ROW[1], [0.3, 0.8])];
    assert_eq!(found(&anchors, &NmsOptions::PREDICT), [(0.9, 0), (0.8, 1)]);
    let agnostic = NmsOptions { agnostic: true, ..NmsOptions::PREDICT };
    assert_eq!(found(&anchors, &agnostic), [(0.9, 0)], "the box of the other class is suppressed");
    // With several labels per anchor, the weaker detections are suppressed within their class.
    assert_eq!(found(&anchors, &NmsOptions::VALIDATION), [(0.9, 0), (0.8, 1)]);
}

#[test]
fn several_labels_of_one_anchor() {
    let anchors = [(ROW[0], [0.9, 0.4, 0.0005])];
    assert_eq!(found(&anchors, &NmsOptions::VALIDATION), [(0.9, 0), (0.4, 1)]);
    assert_eq!(found(&anchors, &NmsOptions::PREDICT), [(0.9, 0)]);
}

#[test]
fn thresholds_are_exclusive() {
    let config = NmsOptions { confidence: 0.25, iou: 0.25, ..NmsOptions::PREDICT };
    // The IoU is exactly 1/4: 40 shared of 160.
    let touching = [([0.0, 0.0, 10.0, 10.0], [0.9]), ([0.0, 6.0, 10.0, 16.0], [0.8]), (ROW[2], [0.25])];
    assert_eq!(found(&touching, &config), [(0.9, 0), (0.8, 0)]);
}

#[test]
fn limits() {
    let apart: Vec<_> =
        (0..9u8).map(|i| ([f32::from(i) * 20.0, 0.0, f32::from(i) * 20.0 + 10.0, 10.0], [0.9])).collect();
    let four = NmsOptions { max_detections: 4, ..NmsOptions::PREDICT };
    assert_eq!(found(&apart, &four).len(), 4);
    let three = NmsOptions { max_candidates: 3, ..NmsOptions::PREDICT };
    let kept = nms(&predictions(&apart), &three);
    assert_eq!(
        kept[0].iter().map(|d| d.bbox.x1).collect::<Vec<_>>(),
        [0.0, 20.0, 40.0],
        "on a tie the lower anchor comes first"
    );
    assert!(nms(&Predictions::new(2, 1, 0, vec![]).unwrap(), &three).iter().all(Vec::is_empty));
    let nan = [(ROW[0], [f32::NAN, 0.5]), (ROW[2], [f32::NAN, f32::NAN])];
    assert_eq!(found(&nan, &NmsOptions::PREDICT), [(0.5, 1)]);
}

/// The same decoded values give the same detections; coordinates and scores are equal up to rounding.
#[test]
fn finds_what_ultralytics_finds() {
    let golden = Golden::load();
    let decoded = Predictions::new(3, 3, 84, golden.values("square.decoded")).unwrap();
    let validation = NmsOptions { max_detections: 100, ..NmsOptions::VALIDATION };
    let predict = NmsOptions { iou: 0.45, ..NmsOptions::PREDICT };
    for (mode, config, images) in [("validation", validation, 1), ("predict", predict, 3)] {
        for (image, found) in nms(&decoded, &config).iter().take(images).enumerate() {
            let name = format!("square.nms_{mode}.{image}");
            let rows = golden.values(&name);
            let flat = |d: &Detection| {
                let Detection { bbox: Xyxy { x1, y1, x2, y2 }, confidence, class_id } = *d;
                [x1, y1, x2, y2, confidence, class_id as f32]
            };
            assert_close(&name, &found.iter().flat_map(flat).collect::<Vec<_>>(), &rows, 1e-6);
        }
    }
}

proptest! {
    #[test]
    fn what_stays_is_sorted_apart_and_was_there(
        anchors in prop::collection::vec(
            (0.0f32..100.0, 0.0f32..100.0, 1.0f32..60.0, 1.0f32..60.0, prop::array::uniform3(0.0f32..1.0)),
            0..60,
        ),
        iou in 0.1f32..0.9,
        multi_label: bool,
    ) {
        let anchors: Vec<_> =
            anchors.into_iter().map(|(x, y, w, h, scores)| ([x, y, x + w, y + h], scores)).collect();
        let config = NmsOptions { iou, multi_label, ..NmsOptions::PREDICT };
        let images = nms(&predictions(&anchors), &config);
        let kept = &images[0];
        prop_assert!(kept.windows(2).all(|d| d[0].confidence >= d[1].confidence));
        for (i, a) in kept.iter().enumerate() {
            prop_assert!(a.confidence > 0.25);
            let bits = a.confidence.to_bits();
            prop_assert!(anchors.iter().any(|(_, scores)| scores[a.class_id].to_bits() == bits));
            for b in &kept[i + 1..] {
                // The class shift rounds corners to 1/512 px here, hence the margin.
                prop_assert!(a.class_id != b.class_id || a.bbox.iou(b.bbox) <= iou + 1e-2);
            }
        }
        // The best candidate always stays.
        let best = anchors.iter().flat_map(|(_, scores)| scores).copied().fold(0.0f32, f32::max);
        if best > 0.25 {
            prop_assert_eq!(kept[0].confidence.to_bits(), best.to_bits());
        }
    }
}
