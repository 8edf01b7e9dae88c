//! Distillation of logits: comparison with an f64 reference, finite differences, invariants and errors.

use bonsai_boxes::Cxcywh;
use bonsai_yolov8::{
    AnchorWeight, DistillGains, DistillOutput, HeadOutput, LevelOutput, LossGains, Target, add_gradients,
    detection_loss, distillation_loss,
};

use crate::distill_reference::{BATCH, BINS, CLASSES, LEVELS, Level, head, parts, random_head, wide};

/// Tolerance relative to the largest magnitude, because exponentials and logits are f32.
const RELATIVE: f64 = 1e-5;
/// Tolerance for LD at temperature 10, where the distributions differ by about 1e-2 and f32 rounding is 3e-7.
const RELATIVE_TEMPERED: f64 = 1e-4;

/// All variants of the parts, each part alone and all parts together.
fn variants() -> Vec<DistillGains> {
    let good = DistillGains::default();
    let only = |cls, bbox, dfl| DistillGains { cls, bbox, dfl, ..good };
    let mut variants = vec![good, only(1.0, 0.0, 0.0), only(0.0, 2.0, 0.0), only(0.0, 0.0, 0.5)];
    for modulated in [true, false] {
        for anchor_weight in [AnchorWeight::Gap, AnchorWeight::Confidence] {
            for temperature in [1.0, 3.0] {
                let bbox = 7.5;
                let dfl = 1.5;
                variants.push(DistillGains { bbox, dfl, temperature, modulated, anchor_weight, ..good });
            }
        }
    }
    variants
}

fn relative(gains: DistillGains) -> f64 {
    if gains.dfl > 0.0 && gains.temperature > 5.0 { RELATIVE_TEMPERED } else { RELATIVE }
}

fn distil(student: &[Level], teacher: &[Level], score_sum: f64, gains: DistillGains) -> DistillOutput {
    distillation_loss(&head(student), &head(teacher), score_sum, gains).unwrap()
}

/// All gradient values, level by level, boxes before classes.
fn values(output: &DistillOutput) -> Vec<f32> {
    output.gradients.iter().flat_map(|l| [&l.box_logits, &l.cls_logits]).flatten().copied().collect()
}

#[test]
fn values_are_those_of_plain_loops() {
    for (seed, gains) in (0..).zip(variants()) {
        let student = random_head(seed);
        let teacher = random_head(seed + 100);
        let score_sum = 1.0 + seed as f64 * 0.75;
        let found = distil(&student, &teacher, score_sum, gains);
        let (exact, _) = parts(&wide(&student), &wide(&teacher), score_sum, gains, None);
        let items = [found.items.cls, found.items.bbox, found.items.dfl];
        for (found, exact) in items.into_iter().zip(exact) {
            assert!(
                (f64::from(found) - exact).abs() <= relative(gains) * exact,
                "{found}, {exact}: {gains:?}"
            );
        }
        let total = BATCH as f64 * exact.iter().sum::<f64>();
        assert!((f64::from(found.total) - total).abs() <= relative(gains) * total, "{gains:?}");
        assert!(total > 0.1, "{gains:?}");
    }
}

/// Central differences of the reference with step 1e-5, whose own error is near 1e-9.
#[test]
fn gradients_are_those_of_finite_differences() {
    for (seed, gains) in (0..).zip(variants()) {
        let student = random_head(seed);
        let teacher = random_head(seed + 100);
        let found = distil(&student, &teacher, 2.5, gains);
        let mut moved = wide(&student);
        let fixed = wide(&teacher);
        let (_, held) = parts(&moved, &fixed, 2.5, gains, None);
        let mut numeric = Vec::new();
        for level in 0..LEVELS.len() {
            for kind in 0..2 {
                for i in 0..moved[level][kind].len() {
                    let logit = moved[level][kind][i];
                    let mut total = |by: f64| {
                        moved[level][kind][i] = logit + by;
                        let (parts, _) = parts(&moved, &fixed, 2.5, gains, Some(&held));
                        moved[level][kind][i] = logit;
                        BATCH as f64 * parts.iter().sum::<f64>()
                    };
                    numeric.push((total(1e-5) - total(-1e-5)) / 2e-5);
                }
            }
        }
        let largest = numeric.iter().fold(0.0f64, |m, g| m.max(g.abs()));
        assert!(largest > 0.01, "{gains:?}");
        for (i, (found, numeric)) in values(&found).into_iter().zip(numeric).enumerate() {
            let close = (f64::from(found) - numeric).abs() <= relative(gains) * largest + 1e-8;
            assert!(close, "value {i}: {found} and {numeric}, largest {largest}: {gains:?}");
        }
    }
}

#[test]
fn a_teacher_that_says_the_same_teaches_nothing() {
    let same = random_head(1);
    for gains in variants().into_iter().filter(|g| g.modulated) {
        let found = distil(&same, &same, 1.0, gains);
        assert_eq!((found.items.cls, found.items.dfl), (0.0, 0.0), "{gains:?}");
        if gains.anchor_weight == AnchorWeight::Gap {
            assert_eq!(found.total, 0.0);
            assert!(values(&found).iter().all(|&g| g == 0.0), "{gains:?}");
        }
        // CIoU of a box with itself is less than 1 because of the epsilon of 1e-7.
        assert!(found.total.abs() < 1e-4 && values(&found).iter().all(|g| g.abs() < 1e-4), "{gains:?}");
    }
    // Without the gap factor the loss is the entropy, which has its minimum here.
    let found = distil(&same, &same, 1.0, DistillGains { modulated: false, ..DistillGains::default() });
    assert!(found.items.cls > 0.1 && values(&found).iter().all(|&g| g == 0.0));
}

/// The divisor of a batch without objects is 1, and a larger one scales all parts.
#[test]
fn divisor_is_the_sum_of_soft_labels() {
    let student = random_head(3);
    let teacher = random_head(4);
    let empty = detection_loss(&head(&student), &[], LossGains::default()).unwrap().score_sum;
    assert_eq!(empty, 1.0);
    let gains = DistillGains { dfl: 1.0, ..DistillGains::default() };
    let one = distil(&student, &teacher, empty, gains);
    let four = distil(&student, &teacher, 4.0, gains);
    assert_eq!(one.total, 4.0 * four.total);
    for (one, four) in values(&one).into_iter().zip(values(&four)) {
        assert_eq!(one, 4.0 * four, "division by a power of two is exact");
    }
}

/// Two images in a batch give the same values as each image alone, except for the batch factor.
#[test]
fn images_are_independent() {
    let student = random_head(5);
    let teacher = random_head(6);
    let gains = DistillGains { dfl: 1.0, ..DistillGains::default() };
    let both = distil(&student, &teacher, 2.0, gains);
    let mut total = 0.0;
    for image in 0..BATCH {
        let alone = |levels: &[Level]| -> Vec<Level> {
            let cut =
                |values: &Vec<f32>| values.chunks_exact(values.len() / BATCH).nth(image).unwrap().to_vec();
            levels.iter().map(|[boxes, classes]| [cut(boxes), cut(classes)]).collect()
        };
        let student = alone(&student);
        let teacher = alone(&teacher);
        let single = |levels| one_image(levels, CLASSES, BINS, &LEVELS);
        let found = distillation_loss(&single(&student), &single(&teacher), 2.0, gains).unwrap();
        total += found.total * BATCH as f32;
        for (both, single) in both.gradients.iter().zip(&found.gradients) {
            let pairs = [(&both.box_logits, &single.box_logits), (&both.cls_logits, &single.cls_logits)];
            for (both, single) in pairs {
                let both = &both[image * single.len()..][..single.len()];
                assert!(both.iter().zip(single).all(|(b, s)| *b == BATCH as f32 * s));
            }
        }
    }
    assert!((total - both.total).abs() < 1e-5 * total);
}

fn one_image<'a>(
    levels: &'a [Level],
    classes: usize,
    bins: usize,
    shapes: &[(usize, usize, usize)],
) -> HeadOutput<'a> {
    let mut outputs = Vec::new();
    for ([box_logits, cls_logits], &(h, w, stride)) in levels.iter().zip(shapes) {
        outputs.push(LevelOutput { box_logits, cls_logits, h, w, stride });
    }
    HeadOutput::new(1, classes, bins, outputs).unwrap()
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let student = random_head(7);
    let teacher = random_head(8);
    let gains = DistillGains { dfl: 1.0, ..DistillGains::default() };
    let with = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| distil(&student, &teacher, 1.0, gains))
    };
    assert_eq!(with(1), with(2));
    assert_eq!(with(1), with(5));
}

/// One cell whose class logits give a weight slightly below or slightly above 1e-3.
#[test]
fn silent_anchors_have_no_box_parts() {
    let shape = [(1, 1, 8)];
    let bent = |logit: f32, slope: f32| {
        [(0..4 * BINS).map(|i| i as f32 * slope % 1.3).collect::<Vec<f32>>(), vec![logit, -9.0]]
    };
    let gains = DistillGains { dfl: 1.0, ..DistillGains::default() };
    for (p, silent) in [(0.00098f32, true), (0.00102, false)] {
        let student = [bent(-30.0, 0.4)];
        let teacher = [bent((p / (1.0 - p)).ln(), 0.7)];
        let heads = [&student, &teacher].map(|levels| one_image(levels, 2, BINS, &shape));
        let found = distillation_loss(&heads[0], &heads[1], 1.0, gains).unwrap();
        assert_eq!(found.items.bbox == 0.0 && found.items.dfl == 0.0, silent, "{:?}", found.items);
        assert_eq!(found.gradients[0].box_logits.iter().all(|&g| g == 0.0), silent);
        assert!(
            found.items.cls > 0.0 && found.gradients[0].cls_logits[0] < 0.0,
            "the class part must remain"
        );
    }
}

#[test]
fn a_step_against_the_gradient_of_both_losses_lowers_their_sum() {
    let student = random_head(9);
    let teacher = random_head(10);
    let bbox = Cxcywh { cx: 0.4, cy: 0.5, w: 0.6, h: 0.8 };
    let targets = [Target { image: 0, class_id: 1, bbox }, Target { image: 1, class_id: 2, bbox }];
    let both = |student: &[Level]| {
        let mut loss = detection_loss(&head(student), &targets, LossGains::default()).unwrap();
        let more = distil(student, &teacher, loss.score_sum, DistillGains::default());
        loss.total += more.total;
        add_gradients(&mut loss.gradients, &more.gradients).unwrap();
        loss
    };
    let before = both(&student);
    let mut moved = student.clone();
    for (level, gradient) in moved.iter_mut().zip(&before.gradients) {
        for (values, gradient) in level.iter_mut().zip([&gradient.box_logits, &gradient.cls_logits]) {
            for (value, gradient) in values.iter_mut().zip(gradient) {
                *value -= 1e-3 * gradient;
            }
        }
    }
    assert!(both(&moved).total < before.total);
}

#[test]
fn not_a_number_is_seen_in_the_total() {
    let good = random_head(11);
    for (level, kind) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        let mut bad = good.clone();
        // Cell 1 of a level has high class scores in the other head.
        bad[level][kind][1] = f32::NAN;
        let other = random_head(12);
        let gains = DistillGains::default();
        assert!(distil(&bad, &other, 1.0, gains).total.is_nan(), "student, level {level}, kind {kind}");
        assert!(distil(&other, &bad, 1.0, gains).total.is_nan(), "teacher, level {level}, kind {kind}");
    }
}

#[test]
fn a_teacher_that_does_not_fit_is_refused_with_both_numbers() {
    let gains = DistillGains::default();
    let student = random_head(13);
    let refuse = |teacher: HeadOutput| {
        distillation_loss(&head(&student), &teacher, 1.0, gains).unwrap_err().to_string()
    };
    // Heads of zeros with any batch size, classes, bins and levels.
    let check = |batch: usize, classes, bins: usize, shapes: &[(usize, usize, usize)], expected: &str| {
        let zeros: Vec<Level> = shapes
            .iter()
            .map(|(h, w, _)| [vec![0.0; batch * 4 * bins * h * w], vec![0.0; batch * classes * h * w]])
            .collect();
        let levels = zeros.iter().zip(shapes).map(|([box_logits, cls_logits], &(h, w, stride))| {
            LevelOutput { box_logits, cls_logits, h, w, stride }
        });
        let message = refuse(HeadOutput::new(batch, classes, bins, levels.collect()).unwrap());
        assert!(message.contains(expected), "{message}");
    };
    check(1, CLASSES, BINS, &LEVELS, "the student has 2 images, but the teacher has 1;");
    check(BATCH, 4, BINS, &LEVELS, "the student has 3 classes, but the teacher has 4;");
    check(BATCH, CLASSES, 16, &LEVELS, "the student has 5 bins of a side, but the teacher has 16;");
    check(BATCH, CLASSES, BINS, &LEVELS[..1], "the student has 2 levels, but the teacher has 1;");
    let strides = [(2, 4, 8), (2, 4, 8)];
    check(
        BATCH,
        CLASSES,
        BINS,
        &strides,
        "level 1: the student has 16 pixels per cell, but the teacher has 8;",
    );
    let larger = [(4, 4, 8), (2, 2, 16)];
    check(BATCH, CLASSES, BINS, &larger, "level 0: the student has 2 rows, but the teacher has 4;");
    let wider = [(2, 6, 8), (1, 3, 16)];
    check(BATCH, CLASSES, BINS, &wider, "level 0: the student has 4 columns, but the teacher has 6;");
}

#[test]
fn a_divisor_that_is_none_and_a_bad_setting_are_refused() {
    let student = random_head(14);
    let refuse = |score_sum, gains| {
        distillation_loss(&head(&student), &head(&student), score_sum, gains).unwrap_err().to_string()
    };
    for score_sum in [0.0, 0.99, f64::NAN, f64::INFINITY] {
        let message = refuse(score_sum, DistillGains::default());
        assert!(message.contains("`score_sum`") && message.contains(&score_sum.to_string()), "{message}");
    }
    let message = refuse(1.0, DistillGains { cls: -0.5, ..DistillGains::default() });
    assert!(message.contains("cls is -0.5"), "{message}");
}
