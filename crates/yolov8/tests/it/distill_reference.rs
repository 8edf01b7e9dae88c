//! The distillation of logits as plain loops in f64: a reference that shares no code with the crate.
//!
//! The constants of the gradient (weights of anchors, alpha of CIoU) can be kept from an earlier evaluation,
//! so that finite differences differentiate the same function as the gradient.

use std::f64::consts::PI;

use bonsai_yolov8::{AnchorWeight, DistillGains, HeadOutput, LevelOutput};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

pub(crate) const BATCH: usize = 2;
pub(crate) const CLASSES: usize = 3;
pub(crate) const BINS: usize = 5;
/// Rows, columns and stride of two levels of a 32 x 16 px image.
pub(crate) const LEVELS: [(usize, usize, usize); 2] = [(2, 4, 8), (1, 2, 16)];
/// An anchor of a lower weight has no box parts.
const SILENT: f64 = 1e-3;
const EPSILON: f64 = 1e-7;

/// Box and class logits of a level, NCHW.
pub(crate) type Level = [Vec<f32>; 2];
/// The same logits in f64 for the reference.
pub(crate) type WideLevel = [Vec<f64>; 2];

/// Random logits; in one cell of four all classes are unlikely.
pub(crate) fn random_head(seed: u64) -> Vec<Level> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let level = |&(h, w, _): &(usize, usize, usize)| {
        let cells = h * w;
        let boxes = (0..BATCH * 4 * BINS * cells).map(|_| rng.random_range(-2.0..2.0)).collect();
        let mut class = |i: usize| {
            let logit: f32 = rng.random_range(-4.0..2.5);
            if (i % cells).is_multiple_of(4) { logit - 9.0 } else { logit }
        };
        [boxes, (0..BATCH * CLASSES * cells).map(&mut class).collect()]
    };
    LEVELS.iter().map(level).collect()
}

pub(crate) fn head(levels: &[Level]) -> HeadOutput<'_> {
    let mut outputs = Vec::new();
    for ([box_logits, cls_logits], (h, w, stride)) in levels.iter().zip(LEVELS) {
        outputs.push(LevelOutput { box_logits, cls_logits, h, w, stride });
    }
    HeadOutput::new(BATCH, CLASSES, BINS, outputs).unwrap()
}

pub(crate) fn wide(levels: &[Level]) -> Vec<WideLevel> {
    let widen = |values: &Vec<f32>| values.iter().map(|&v| f64::from(v)).collect();
    levels.iter().map(|level| [widen(&level[0]), widen(&level[1])]).collect()
}

/// Constants of the gradient for each anchor of the batch: the weight m and alpha.
pub(crate) type Held = Vec<(f64, f64)>;

/// The parts cls, bbox and dfl with their gains, divided by `score_sum`, and the constants of the gradient.
pub(crate) fn parts(
    student: &[WideLevel],
    teacher: &[WideLevel],
    score_sum: f64,
    gains: DistillGains,
    held: Option<&Held>,
) -> ([f64; 3], Held) {
    let mut sums = [0.0; 3];
    let mut constants = Held::new();
    for (level, (h, w, _)) in LEVELS.into_iter().enumerate() {
        let anchors = (0..BATCH).flat_map(|image| (0..h * w).map(move |cell| (image, cell)));
        for (image, cell) in anchors {
            let logits = |head: &[WideLevel], kind: usize, channels: usize| -> Vec<f64> {
                let at = |channel: usize| head[level][kind][(image * channels + channel) * h * w + cell];
                (0..channels).map(at).collect()
            };
            let classes = [student, teacher].map(|head| logits(head, 1, CLASSES));
            let sides = [student, teacher].map(|head| logits(head, 0, 4 * BINS));
            let held = held.map(|held| held[constants.len()]);

            let (entropy, weight) = class_part(&classes, gains);
            sums[0] += entropy;
            let weight = held.map_or(weight, |(weight, _)| weight);
            let centre = ((cell % w) as f64 + 0.5, (cell / w) as f64 + 0.5);
            let [a, b] = [&sides[0], &sides[1]].map(|logits| corners(logits, centre));
            let (overlap, alpha) = ciou(a, b, held.map(|(_, alpha)| alpha));
            constants.push((weight, alpha));
            if weight >= SILENT {
                sums[1] += weight * (1.0 - overlap);
                sums[2] += weight * divergence(&sides, f64::from(gains.temperature));
            }
        }
    }
    let [cls, bbox, dfl] = sums.map(|sum| sum / score_sum);
    ([cls * f64::from(gains.cls), bbox * f64::from(gains.bbox), dfl * f64::from(gains.dfl)], constants)
}

/// Sum of the cross-entropies of an anchor, and its weight m, from the logits of student and teacher.
fn class_part([student, teacher]: &[Vec<f64>; 2], gains: DistillGains) -> (f64, f64) {
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    let mut sum = 0.0;
    let mut weight = 0.0f64;
    for (&z_s, &z_t) in student.iter().zip(teacher) {
        let p_s = sigmoid(z_s);
        let p_t = sigmoid(z_t);
        let entropy = -(p_t * p_s.ln() + (1.0 - p_t) * sigmoid(-z_s).ln());
        let gap = (p_t - p_s).abs();
        sum += if gains.modulated { gap * entropy } else { entropy };
        weight = weight.max(if gains.anchor_weight == AnchorWeight::Gap { gap } else { p_t });
    }
    (sum, weight)
}

/// T² KL(teacher || student), mean over the sides.
fn divergence([student, teacher]: &[Vec<f64>; 2], temperature: f64) -> f64 {
    let soft = |logits: &[f64]| softmax(&logits.iter().map(|x| x / temperature).collect::<Vec<_>>());
    let mut sum = 0.0;
    for (student, teacher) in student.chunks(BINS).zip(teacher.chunks(BINS)) {
        let q_s = soft(student);
        let q_t = soft(teacher);
        sum += q_t.iter().zip(&q_s).map(|(t, s)| t * (t / s).ln()).sum::<f64>();
    }
    temperature * temperature * sum / 4.0
}

pub(crate) fn softmax(x: &[f64]) -> Vec<f64> {
    let highest = x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = x.iter().map(|x| (x - highest).exp()).sum();
    x.iter().map(|x| (x - highest).exp() / sum).collect()
}

/// x1, y1, x2, y2 in cells.
fn corners(logits: &[f64], (x, y): (f64, f64)) -> [f64; 4] {
    let expected = |side: usize| -> f64 {
        let p = softmax(&logits[side * BINS..][..BINS]);
        p.iter().enumerate().map(|(k, p)| k as f64 * p).sum()
    };
    [x - expected(0), y - expected(1), x + expected(2), y + expected(3)]
}

/// CIoU, and alpha if it is not given.
fn ciou(a: [f64; 4], b: [f64; 4], alpha: Option<f64>) -> (f64, f64) {
    let size = |r: [f64; 4]| (r[2] - r[0], r[3] - r[1] + EPSILON);
    let ((aw, ah), (bw, bh)) = (size(a), size(b));
    let across = (a[2].min(b[2]) - a[0].max(b[0])).max(0.0);
    let down = (a[3].min(b[3]) - a[1].max(b[1])).max(0.0);
    let iou = across * down / (aw * ah + bw * bh - across * down + EPSILON);
    let cw = a[2].max(b[2]) - a[0].min(b[0]);
    let ch = a[3].max(b[3]) - a[1].min(b[1]);
    let dx = (a[0] + a[2] - b[0] - b[2]) / 2.0;
    let dy = (a[1] + a[3] - b[1] - b[3]) / 2.0;
    let v = 4.0 / (PI * PI) * ((aw / ah).atan() - (bw / bh).atan()).powi(2);
    let alpha = alpha.unwrap_or(v / (v - iou + 1.0 + EPSILON));
    (iou - (dx * dx + dy * dy) / (cw * cw + ch * ch + EPSILON) - alpha * v, alpha)
}
