//! Metrics of Ultralytics 8.0.90 and 8.4 on random boxes (`fixtures/metrics/generate.py`).

use bonsai_metrics::{DetMetrics, Evaluator, Protocol};
use serde_json::Value;

use crate::random_boxes::{fixture, images};

/// Ultralytics also sums in f64; only the order of summation differs.
const TOLERANCE: f64 = 1e-6;

fn evaluate(fixture: &Value, protocol: Protocol) -> DetMetrics {
    let (num_classes, images) = images(fixture);
    let mut evaluator = Evaluator::with_protocol(num_classes, protocol);
    for (detections, labels) in &images {
        evaluator.add_image(detections, labels);
    }
    evaluator.finish()
}

fn check(name: &str, protocol: Protocol) {
    let fixture = fixture();
    let ours = evaluate(&fixture, protocol);
    let theirs = &fixture[name];
    let close = |what: &str, ours: f64, theirs: &Value| {
        let theirs = theirs.as_f64().unwrap();
        assert!((ours - theirs).abs() < TOLERANCE, "{name} {what}: ours {ours}, theirs {theirs}");
    };
    close("map50", ours.map50, &theirs["map50"]);
    close("map50_95", ours.map50_95, &theirs["map50_95"]);
    close("precision", ours.precision, &theirs["precision"]);
    close("recall", ours.recall, &theirs["recall"]);
    let labelled: Vec<_> = ours.per_class.iter().filter(|class| class.instances > 0).collect();
    let expected = theirs["per_class"].as_array().unwrap();
    assert_eq!(labelled.len(), expected.len());
    for (class, expected) in labelled.iter().zip(expected) {
        assert_eq!(class.class_id as u64, expected["class_id"].as_u64().unwrap());
        close("ap50", class.ap50, &expected["ap50"]);
        close("ap50_95", class.ap50_95, &expected["ap50_95"]);
        close("precision of a class", class.precision, &expected["precision"]);
        close("recall of a class", class.recall, &expected["recall"]);
    }
    assert_eq!(ours.images, fixture["images"].as_array().unwrap().len());
    assert_eq!(ours.per_class.len(), 4, "the class without labels must be listed too");
}

#[test]
fn equals_ultralytics_80() {
    check("ultralytics_80", Protocol::ULTRALYTICS_80);
}

#[test]
fn equals_ultralytics_84() {
    check("ultralytics_84", Protocol::ULTRALYTICS_84);
}

#[test]
fn the_two_releases_disagree_on_this_fixture() {
    let fixture = fixture();
    let old = evaluate(&fixture, Protocol::ULTRALYTICS_80);
    let new = evaluate(&fixture, Protocol::ULTRALYTICS_84);
    assert!((old.map50 - new.map50).abs() > 1e-3 && (old.map50_95 - new.map50_95).abs() > 1e-3);
}
