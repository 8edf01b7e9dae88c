//! Loss, gradients and assignment compared with Ultralytics 8.0.90 in f64.
//!
//! Tolerance: 1e-5 of the largest magnitude in the tensor, because logits and exponentials are f32.

use bonsai_yolov8::{LossGains, assign, detection_loss};

use crate::golden::{Golden, assert_close};

const RELATIVE: f32 = 1e-5;

fn check(case: &str, box_source: &str, cls_source: &str) {
    let golden = Golden::load();
    let inputs = golden.inputs(box_source, cls_source);
    let head = inputs.head();
    let targets = golden.targets(case);

    let name = |what: &str| format!("{case}.{what}");
    let positives = assign(&head, &targets).unwrap();
    let anchors = head.anchors();
    let mut scores = vec![0.0; head.batch() * anchors];
    let mut labels = vec![0.0; head.batch() * anchors];
    let mut boxes = vec![];
    boxes.resize(scores.len() * 4, 0.0);
    let (width, height) = head.image_size();
    for (image, positives) in positives.iter().enumerate() {
        for p in positives {
            let at = image * anchors + p.anchor;
            let target = targets[p.target];
            assert_eq!(target.image, image);
            scores[at] = p.score as f32;
            labels[at] = target.class_id as f32;
            let corners = bonsai_boxes::Xyxy::from(target.bbox);
            let pixels = [
                corners.x1 * width as f32,
                corners.y1 * height as f32,
                corners.x2 * width as f32,
                corners.y2 * height as f32,
            ];
            boxes[at * 4..][..4].copy_from_slice(&pixels);
        }
    }
    assert_eq!(labels, golden.values(&name("target_label")), "{case}: labels");
    let reference = golden.values(&name("target_score"));
    for (i, (found, reference)) in scores.iter().zip(&reference).enumerate() {
        assert_eq!(*found > 0.0, *reference > 0.0, "{case}: is anchor {i} positive");
    }
    assert_close(&name("target_score"), &scores, &reference, RELATIVE);
    assert_close(&name("target_box"), &boxes, &golden.values(&name("target_box")), RELATIVE);

    let found = detection_loss(&head, &targets, LossGains::default()).unwrap();
    let items = golden.values(&name("items"));
    let parts = [found.items.bbox, found.items.cls, found.items.dfl, found.total];
    let total = golden.values(&name("total"));
    for (part, reference) in parts.into_iter().zip([items[0], items[1], items[2], total[0]]) {
        assert_close(&name("items and total"), &[part], &[reference], RELATIVE);
    }

    // Rows of the box gradient at the positive anchors; all other rows must be exactly 0.
    let mut rows = vec![0.0; head.batch() * anchors * 64];
    let mut first = 0;
    for (index, (level, gradient)) in head.levels().iter().zip(&found.gradients).enumerate() {
        let reference = golden.values(&name(&format!("grad_cls.{index}")));
        assert_close(&name("grad_cls"), &gradient.cls_logits, &reference, RELATIVE);
        for (i, value) in gradient.box_logits.iter().enumerate() {
            let cell = i % level.cells();
            let channel = i / level.cells() % 64;
            let image = i / level.cells() / 64;
            rows[(image * anchors + first + cell) * 64 + channel] = *value;
        }
        first += level.cells();
    }
    let mut expected = vec![0.0; rows.len()];
    let values = golden.values(&name("grad_box"));
    for (row, anchor) in values.chunks_exact(64).zip(golden.values(&name("grad_box_anchor"))) {
        expected[anchor as usize * 64..][..64].copy_from_slice(row);
    }
    for (i, (found, expected)) in rows.chunks(64).zip(expected.chunks(64)).enumerate() {
        let silent = |row: &[f32]| row.iter().all(|&v| v == 0.0);
        assert!(!silent(expected) || silent(found), "{case}: anchor {i} has a box gradient");
    }
    assert_close(&name("grad_box"), &rows, &expected, RELATIVE);
}

#[test]
fn ordinary() {
    check("ordinary", "square", "square");
}

#[test]
fn an_image_without_objects() {
    check("empty_image", "square", "square");
}

#[test]
fn no_objects_at_all() {
    check("no_objects", "square", "square");
}

#[test]
fn objects_that_share_anchors() {
    check("overlapping", "square", "square");
}

#[test]
fn objects_without_anchors() {
    check("tiny", "square", "square");
}

#[test]
fn image_that_is_not_square() {
    check("rectangular", "wide", "wide");
}

#[test]
fn eighty_classes() {
    check("classes80", "wide", "many");
}

#[test]
fn extreme_logits() {
    check("extreme", "extreme", "extreme");
}
