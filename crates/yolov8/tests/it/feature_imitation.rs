//! Imitation of features: comparison with an f64 reference, finite differences, invariants and errors.

use bonsai_yolov8::{FeatureMap, ImitationConfig, ImitationOutput, imitate_features};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::distill_reference::softmax;

/// Images, student channels, teacher channels, rows, columns: a plane has 33 cells, one more than a vector
/// block.
const SHAPE: [usize; 5] = [3, 2, 4, 3, 11];
const MATCHING: [usize; 2] = [3, 1];
/// Tolerance relative to the largest magnitude, because exponentials and features are f32.
const RELATIVE: f64 = 1e-5;
/// Added to the variance.
const EPSILON: f64 = 1e-5;

fn random(channels: usize, scale: f32, mean: f32, seed: u64) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let [n, _, _, h, w] = SHAPE;
    (0..n * channels * h * w).map(|_| mean + scale * rng.random_range(-1.0f32..1.0)).collect()
}

fn map(values: &[f32], channels: usize) -> FeatureMap<'_> {
    let [n, _, _, h, w] = SHAPE;
    FeatureMap { values, n, channels, h, w }
}

fn imitate(student: &[f32], teacher: &[f32], settings: ImitationConfig) -> ImitationOutput {
    let [_, cs, ct, ..] = SHAPE;
    imitate_features(&map(student, cs), &map(teacher, ct), &MATCHING, settings).unwrap()
}

/// Mean and deviation of every channel.
fn statistics(values: &[f64], channels: usize) -> Vec<(f64, f64)> {
    let [n, _, _, h, w] = SHAPE;
    let of = |channel: usize| {
        let all: Vec<f64> =
            (0..n).flat_map(|i| values[(i * channels + channel) * h * w..][..h * w].to_vec()).collect();
        let mean = all.iter().sum::<f64>() / all.len() as f64;
        let variance = all.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / all.len() as f64;
        (mean, (variance + EPSILON).sqrt())
    };
    (0..channels).map(of).collect()
}

/// The loss by the formula, for given statistics of the student.
fn reference(student: &[f64], teacher: &[f64], held: &[(f64, f64)], settings: ImitationConfig) -> f64 {
    let [n, cs, ct, h, w] = SHAPE;
    let tau = f64::from(settings.tau);
    let weight = f64::from(settings.weight);
    let taught = statistics(teacher, ct);
    let mut sum = 0.0;
    for image in 0..n {
        for channel in 0..cs {
            let soft = |values: &[f64], channels: usize, channel: usize, (mean, deviation): (f64, f64)| {
                let plane = &values[(image * channels + channel) * h * w..][..h * w];
                softmax(&plane.iter().map(|v| (v - mean) / deviation / tau).collect::<Vec<_>>())
            };
            let q_s = soft(student, cs, channel, held[channel]);
            let q_t = soft(teacher, ct, MATCHING[channel], taught[MATCHING[channel]]);
            sum += q_t.iter().zip(&q_s).map(|(t, s)| t * (t / s).ln()).sum::<f64>();
        }
    }
    weight * tau * tau / (n * cs) as f64 * sum
}

fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&v| f64::from(v)).collect()
}

/// Central differences of the reference with step 1e-5 and fixed statistics, whose own error is near 1e-10.
#[test]
fn value_and_gradient_are_those_of_plain_loops() {
    let [n, cs, ct, ..] = SHAPE;
    for (seed, (tau, weight)) in (0..).zip([(1.0, 1.0), (4.0, 0.5), (0.5, 30.0)]) {
        let settings = ImitationConfig { tau, weight };
        let student = random(cs, 3.0, 2.0, seed);
        let teacher = random(ct, 0.1, -5.0, seed + 100);
        let found = imitate(&student, &teacher, settings);
        let mut moved = wide(&student);
        let fixed = wide(&teacher);
        let held = statistics(&moved, cs);
        let exact = reference(&moved, &fixed, &held, settings);
        assert!((f64::from(found.item) - exact).abs() < RELATIVE * exact && exact > 0.1);
        let total = n as f64 * exact;
        assert!((f64::from(found.total) - total).abs() < RELATIVE * total);
        let mut numeric = Vec::new();
        for i in 0..moved.len() {
            let value = moved[i];
            let mut total = |by: f64| {
                moved[i] = value + by;
                let total = n as f64 * reference(&moved, &fixed, &held, settings);
                moved[i] = value;
                total
            };
            numeric.push((total(1e-5) - total(-1e-5)) / 2e-5);
        }
        let largest = numeric.iter().fold(0.0f64, |m, g| m.max(g.abs()));
        for (i, (found, numeric)) in found.gradient.iter().zip(numeric).enumerate() {
            let close = (f64::from(*found) - numeric).abs() < RELATIVE * largest + 1e-8;
            assert!(close, "value {i}: {found} and {numeric}, largest {largest}");
        }
    }
}

/// If the student's channels are the teacher's, scaled and shifted, the loss is 0.
#[test]
fn equal_channels_teach_nothing() {
    let [n, cs, ct, h, w] = SHAPE;
    let teacher = random(ct, 1.0, 0.0, 1);
    let plane = |image: usize, channel: usize| &teacher[(image * ct + channel) * h * w..][..h * w];
    let pick = |image: usize| MATCHING.map(|channel| plane(image, channel)).concat();
    let student: Vec<f32> = (0..n).flat_map(pick).collect();
    let found = imitate(&student, &teacher, ImitationConfig::default());
    assert_eq!(found.total, 0.0);
    assert!(found.gradient.iter().all(|&g| g == 0.0));
    // The tolerance covers rounding of the scaled features and the epsilon of the variance.
    let moved: Vec<f32> = student.iter().map(|v| 4.0 * v - 3.0).collect();
    let found = imitate(&moved, &teacher, ImitationConfig::default());
    assert!(found.total.abs() < 1e-4, "{}", found.total);
    assert_eq!(found.gradient.len(), n * cs * h * w);
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let [_, cs, ct, ..] = SHAPE;
    let student = random(cs, 1.0, 0.0, 2);
    let teacher = random(ct, 1.0, 0.0, 3);
    let with = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| imitate(&student, &teacher, ImitationConfig::default()))
    };
    assert_eq!(with(1), with(2));
    assert_eq!(with(1), with(5));
}

#[test]
fn only_matched_channels_count() {
    let [_, cs, ct, h, w] = SHAPE;
    let student = random(cs, 1.0, 0.0, 4);
    let mut teacher = random(ct, 1.0, 0.0, 5);
    let before = imitate(&student, &teacher, ImitationConfig::default());
    for (i, value) in teacher.iter_mut().enumerate() {
        if !MATCHING.contains(&(i / (h * w) % ct)) {
            *value = f32::NAN;
        }
    }
    assert_eq!(imitate(&student, &teacher, ImitationConfig::default()), before);
    teacher[3 * h * w] = f32::NAN;
    assert!(imitate(&student, &teacher, ImitationConfig::default()).total.is_nan());
}

#[test]
fn what_does_not_fit_is_refused_with_both_numbers() {
    let [n, cs, ct, h, w] = SHAPE;
    let student = random(cs, 1.0, 0.0, 6);
    let teacher = random(ct, 1.0, 0.0, 7);
    let good_student = map(&student, cs);
    let good_teacher = map(&teacher, ct);
    let refuse = |student: FeatureMap, teacher: FeatureMap, matching: &[usize], settings| {
        imitate_features(&student, &teacher, matching, settings).unwrap_err().to_string()
    };
    let fine = ImitationConfig::default();
    let shaped = |student: FeatureMap, teacher: FeatureMap, expected: &str| {
        let message = refuse(student, teacher, &MATCHING, fine);
        assert!(message.contains(expected), "{message}");
    };
    let short = FeatureMap { values: &student[1..], ..good_student };
    shaped(short, good_teacher, "the student's features have 197 values, but [3, 2, 3, 11] needs 198");
    let empty = FeatureMap { values: &[], n: 0, ..good_teacher };
    shaped(good_student, empty, "the teacher's features have 0 values, but [0, 4, 3, 11] needs 0");
    let huge = FeatureMap { n: usize::MAX, ..good_teacher };
    shaped(good_student, huge, "the teacher's features have 396 values");
    let other = FeatureMap { n: n * 2, channels: ct / 2, ..good_teacher };
    shaped(good_student, other, "the student's features have 3 images, but the teacher's have 6");
    let turned = FeatureMap { h: w, w: h, ..good_teacher };
    shaped(good_student, turned, "the student's features have 3 rows, but the teacher's have 11");
    let wide = FeatureMap { w: 2 * w, channels: ct / 2, ..good_teacher };
    shaped(good_student, wide, "the student's features have 11 columns, but the teacher's have 22");

    let message = refuse(good_student, good_teacher, &[0], fine);
    assert_eq!(message, "the matching has 1 entries, but the student has 2 channels");
    let message = refuse(good_student, good_teacher, &[0, 4], fine);
    assert!(
        message.contains("channel 1 is matched with teacher channel 4, but the teacher has 4"),
        "{message}"
    );
    for settings in [ImitationConfig { tau: 0.0, ..fine }, ImitationConfig { weight: f32::NAN, ..fine }] {
        let message = refuse(good_student, good_teacher, &MATCHING, settings);
        assert!(message.contains("tau is 0") || message.contains("weight is NaN"), "{message}");
    }
}
