//! The paired bootstrap compared with an evaluator on repeated images, and its verdicts on known detectors.

use bonsai_boxes::{Detection, GroundTruth, Xyxy};
use bonsai_metrics::{Evaluator, ImageOutcomes, PairedChange, Protocol, Unpaired, Verdict};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::random_boxes::{Image, fixture, images};

const PROTOCOLS: [Protocol; 2] = [Protocol::ULTRALYTICS_80, Protocol::ULTRALYTICS_84];

fn outcomes<'a>(protocol: Protocol, images: impl IntoIterator<Item = &'a Image>) -> ImageOutcomes {
    let mut outcomes = ImageOutcomes::new(protocol);
    for (detections, labels) in images {
        outcomes.add_image(detections, labels);
    }
    outcomes
}

/// The same images with a detector that misses every object of every `n`-th image.
fn blind_every(n: usize, images: &[Image]) -> Vec<Image> {
    let blind = |(i, (found, labels)): (usize, &Image)| {
        (if i % n == 0 { Vec::new() } else { found.clone() }, labels.clone())
    };
    images.iter().enumerate().map(blind).collect()
}

/// Draws explicitly: repeats the images and runs the evaluator.
fn by_hand(
    protocol: Protocol,
    classes: usize,
    before: &[Image],
    after: &[Image],
    draws: usize,
    seed: u64,
) -> Vec<f64> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut differences: Vec<f64> = (0..draws)
        .map(|_| {
            let drawn: Vec<usize> = (0..before.len()).map(|_| random.random_range(0..before.len())).collect();
            let [a, b] = [before, after].map(|side| {
                let mut evaluator = Evaluator::with_protocol(classes, protocol);
                for &i in &drawn {
                    evaluator.add_image(&side[i].0, &side[i].1);
                }
                evaluator.finish().map50_95
            });
            b - a
        })
        .collect();
    differences.sort_by(f64::total_cmp);
    differences
}

#[test]
fn intervals_are_those_of_really_repeated_images() {
    let fixture = fixture();
    let (classes, images) = images(&fixture);
    let after = blind_every(5, &images);
    // With this number of draws both ends of the interval are single draws.
    let draws = 81;
    let seed = 7;
    for protocol in PROTOCOLS {
        let change =
            outcomes(protocol, &images).change_to(&outcomes(protocol, &after), draws, seed).unwrap().map50_95;
        let differences = by_hand(protocol, classes, &images, &after, draws, seed);
        assert!((change.low - differences[2]).abs() < 1e-12, "{} is not {}", change.low, differences[2]);
        assert!((change.high - differences[78]).abs() < 1e-12, "{} is not {}", change.high, differences[78]);
    }
}

#[test]
fn figures_are_the_evaluators() {
    let fixture = fixture();
    let (classes, images) = images(&fixture);
    let after = blind_every(3, &images);
    for protocol in PROTOCOLS {
        let change = outcomes(protocol, &images).change_to(&outcomes(protocol, &after), 2, 0).unwrap();
        let [before, after] = [&images, &after].map(|side| {
            let mut evaluator = Evaluator::with_protocol(classes, protocol);
            for (found, labels) in side {
                evaluator.add_image(found, labels);
            }
            evaluator.finish()
        });
        let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-12, "{a} is not {b}");
        close(change.map50.before, before.map50);
        close(change.map50.after, after.map50);
        close(change.map50_95.before, before.map50_95);
        close(change.map50_95.difference(), after.map50_95 - before.map50_95);
        let labelled = before.per_class.iter().filter(|class| class.instances > 0);
        assert_eq!(change.per_class.len(), labelled.clone().count());
        for class in labelled {
            close(change.per_class[&class.class_id].before, class.ap50_95);
        }
    }
}

/// An image with one object, which is detected if `found`.
fn image(found: bool) -> Image {
    let bbox = Xyxy { x1: 1.0, y1: 1.0, x2: 9.0, y2: 9.0 };
    let detections = if found { vec![Detection { bbox, confidence: 0.5, class_id: 0 }] } else { Vec::new() };
    (detections, vec![GroundTruth { bbox, class_id: 0 }])
}

fn change(before: impl Fn(usize) -> bool, after: impl Fn(usize) -> bool) -> PairedChange {
    let side = |found: &dyn Fn(usize) -> bool| {
        let images: Vec<Image> = (0..100).map(|i| image(found(i))).collect();
        outcomes(Protocol::ULTRALYTICS_84, &images)
    };
    side(&before).change_to(&side(&after), 400, 1).unwrap()
}

#[test]
fn verdicts_follow_the_interval() {
    let same = change(|i| i % 3 == 0, |i| i % 3 == 0).map50;
    assert_eq!((same.low, same.high, same.verdict()), (0.0, 0.0, Verdict::WithinNoise));
    // Each detector finds ninety of a hundred, but not the same ones: the images show no difference.
    let other = change(|i| i >= 10, |i| i < 90).map50;
    assert_eq!(other.verdict(), Verdict::WithinNoise);
    assert!(other.low < -0.05 && other.high > 0.05, "{other:?}");
    // One detector finds everything that the other does, and thirty more.
    let better = change(|i| i < 60, |i| i < 90);
    assert_eq!(better.map50_95.verdict(), Verdict::Better);
    assert_eq!(change(|i| i < 90, |i| i < 60).map50_95.verdict(), Verdict::Worse);
    // The fraction of images in which they differ is binomial: 0.3 ± 1.96 sqrt(0.3 * 0.7 / 100).
    let low = better.map50.low;
    let high = better.map50.high;
    assert!((low - 0.21).abs() < 0.03 && (high - 0.39).abs() < 0.03, "{low} to {high}");
}

#[test]
fn a_pair_needs_the_same_images() {
    let [one, two] = [1, 2].map(|n| outcomes(Protocol::ULTRALYTICS_84, &vec![image(true); n]));
    assert_eq!(one.change_to(&one, 9, 0), Err(Unpaired::Count { before: 1, after: 1 }));
    assert_eq!(two.change_to(&one, 9, 0), Err(Unpaired::Count { before: 2, after: 1 }));
    let other = outcomes(Protocol::ULTRALYTICS_84, [&image(true), &(Vec::new(), Vec::new())]);
    let error = two.change_to(&other, 9, 0).unwrap_err();
    assert_eq!(error, Unpaired::Labels { image: 1, class_id: 0, before: 1, after: 0 });
}
