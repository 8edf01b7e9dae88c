//! Compares the gradient of the whole loss with finite differences, for a fixed assignment (a constant of the
//! loss).

use bonsai_boxes::Cxcywh;

use super::*;
use crate::head::LevelOutput;

const CLASSES: usize = 2;
const BINS: usize = 4;
/// Rows, columns and stride of two levels of a 32 x 16 px image.
const LEVELS: [(usize, usize, usize); 2] = [(2, 4, 8), (1, 2, 16)];

/// Box and class logits of a level, for two images.
#[derive(Clone)]
struct Level([Vec<f32>; 2]);

fn logits() -> Vec<Level> {
    let wave = |n: usize, seed: usize| (0..n).map(|i| (i as f32 * 1.7 + seed as f32).sin() * 1.5).collect();
    let level = |&(h, w, stride): &(usize, usize, usize)| {
        Level([wave(2 * h * w * 4 * BINS, stride), wave(2 * h * w * CLASSES, stride + 3)])
    };
    LEVELS.iter().map(level).collect()
}

fn head(logits: &[Level]) -> HeadOutput<'_> {
    let mut levels = Vec::new();
    for (&(h, w, stride), Level([box_logits, cls_logits])) in LEVELS.iter().zip(logits) {
        levels.push(LevelOutput { box_logits, cls_logits, h, w, stride });
    }
    HeadOutput::new(2, CLASSES, BINS, levels).unwrap()
}

fn targets() -> Vec<Target> {
    let target = |image, class_id, cx, cy, w, h| Target { image, class_id, bbox: Cxcywh { cx, cy, w, h } };
    vec![
        target(0, 0, 0.41, 0.52, 0.63, 0.81),
        target(1, 1, 0.30, 0.45, 0.52, 0.77),
        target(0, 1, 0.72, 0.5, 0.5, 0.9),
    ]
}

/// Central differences with step 1e-2 on f32 logits: the error is of order step² (1e-4) plus rounding of an
/// f32 total near 40 over the step (2e-4); the largest gradient is near 1. Tolerance 2e-3 absolute.
///
/// The box part is excluded, because CIoU's alpha is constant for the gradient but not for the differences;
/// `ciou` tests that part.
#[test]
fn gradient_is_that_of_finite_differences() {
    compare_with_differences(None);
    compare_with_differences(Some(&[0.25, 1.75]));
}

fn compare_with_differences(class_weights: Option<&[f32]>) {
    let gains = LossGains { bbox: 0.0, ..LossGains::default() };
    let base = logits();
    let objects = objects_by_image(&HeadShape::from_head(&head(&base)), &targets()).unwrap();
    let positives = assign_objects(&head(&base), &objects);
    assert!(positives.iter().all(|p| p.len() >= 2), "{positives:?}");
    let found = evaluate(&head(&base), &objects, &positives, gains, class_weights);

    let mut largest = 0.0f32;
    for (level, gradient) in found.gradients.iter().enumerate() {
        for (kind, analytic) in [&gradient.box_logits, &gradient.cls_logits].into_iter().enumerate() {
            for (i, &analytic) in analytic.iter().enumerate() {
                let total = |by: f32| {
                    let mut moved = base.clone();
                    moved[level].0[kind][i] += by;
                    evaluate(&head(&moved), &objects, &positives, gains, class_weights).total
                };
                let numeric = (total(1e-2) - total(-1e-2)) / 2e-2;
                assert!((analytic - numeric).abs() < 2e-3, "level {level}, {i}: {analytic} and {numeric}");
                largest = largest.max(analytic.abs());
            }
        }
    }
    assert!(largest > 0.1, "all compared gradients are small, at most {largest}");
}

#[test]
fn total_is_the_sum_times_the_batch_and_gains_scale_the_parts() {
    let base = logits();
    let found = detection_loss(&head(&base), &targets(), LossGains::default()).unwrap();
    let LossItems { bbox, cls, dfl } = found.items;
    assert!((found.total - 2.0 * (bbox + cls + dfl)).abs() < 1e-5 * found.total);
    let gains = LossGains { bbox: 15.0, cls: 0.25, dfl: 0.0 };
    let other = detection_loss(&head(&base), &targets(), gains).unwrap().items;
    assert!((other.bbox - 2.0 * bbox).abs() < 1e-6 && (other.cls - cls / 2.0).abs() < 1e-6);
    assert!(other.dfl.abs() < f32::MIN_POSITIVE, "a gain of 0 must remove the part");
}

/// The divisor comes from the assignment, and is 1 if no anchor is assigned.
#[test]
fn score_sum_is_the_sum_of_the_soft_labels() {
    let base = logits();
    let sum = |targets: &[Target]| {
        let found = detection_loss(&head(&base), targets, LossGains::default()).unwrap();
        let objects = objects_by_image(&HeadShape::from_head(&head(&base)), targets).unwrap();
        let positives = assign_objects(&head(&base), &objects);
        (found.score_sum, positives.iter().flatten().map(|p| p.score).sum::<f64>())
    };
    let (found, labels) = sum(&targets());
    assert!(labels > 1.0, "the test needs a sum above the minimum of 1");
    assert_eq!(found, labels);
    assert_eq!(sum(&[]), (1.0, 0.0));
}

/// Without objects the class part is the sum of ln(1 + e^x), so each class contributes in proportion to its
/// weight; with objects, weights of 1 change nothing but the order of a sum.
#[test]
fn class_weights_scale_the_part_of_each_class() {
    let base = logits();
    let gains = LossGains { bbox: 0.0, cls: 1.0, dfl: 0.0 };
    let counts = [10, 30];
    let weights = ClassWeights::inverse_frequency(&counts, 1.0);
    assert_eq!(weights.as_slice(), [1.5, 0.5]);
    let found = weighted_detection_loss(&head(&base), &[], gains, Some(&weights)).unwrap();
    let mut expected = 0.0;
    for (&(h, w, _), Level([_, cls_logits])) in LEVELS.iter().zip(&base) {
        for (i, logit) in cls_logits.iter().enumerate() {
            let weight = [1.5, 0.5][i / (h * w) % CLASSES];
            expected += weight * f64::from(*logit).exp().ln_1p();
        }
    }
    assert!((f64::from(found.items.cls) - expected).abs() < 1e-5 * expected, "{found:?} {expected}");

    let equal = ClassWeights::inverse_frequency(&counts, 0.0);
    let found = weighted_detection_loss(&head(&base), &targets(), gains, Some(&equal)).unwrap();
    let plain = detection_loss(&head(&base), &targets(), gains).unwrap();
    assert!((found.total - plain.total).abs() < 1e-5 * plain.total);
    assert_eq!(found.gradients, plain.gradients);

    let three = ClassWeights::inverse_frequency(&[1, 2, 3], 1.0);
    let error = weighted_detection_loss(&head(&base), &[], gains, Some(&three)).unwrap_err().to_string();
    assert_eq!(error, "there are weights for 3 classes, but the head has 2");
}

#[test]
fn a_diverged_network_is_seen_in_the_total() {
    let mut base = logits();
    base[0].0[1][0] = f32::NAN;
    assert!(detection_loss(&head(&base), &targets(), LossGains::default()).unwrap().total.is_nan());
}

#[test]
fn bad_targets_are_named() {
    let base = logits();
    let fails = |target: Target| {
        let list = [targets()[0], target];
        detection_loss(&head(&base), &list, LossGains::default()).unwrap_err().to_string()
    };
    let good = targets()[0];
    let message = fails(Target { image: 2, ..good });
    assert_eq!(message, "target 1 belongs to image 2, but the batch has 2 images (numbered from 0)");
    let message = fails(Target { class_id: 7, ..good });
    assert_eq!(message, "target 1 has class 7, but the head has 2 classes (numbered from 0)");
    let message = fails(Target { bbox: Cxcywh { w: f32::NAN, ..good.bbox }, ..good });
    assert!(message.starts_with("target 1 has the box") && message.contains("finite"), "{message}");
}
