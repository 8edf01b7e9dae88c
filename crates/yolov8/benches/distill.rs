//! Benchmark: the distillation losses of a batch of 16 at 320 px, as in a training step, in milliseconds.
//!
//! `cargo bench -p bonsai-yolov8 --bench distill`; `RAYON_NUM_THREADS=1` for one core. A trained pair of
//! heads agrees that most anchors are background; an untrained student agrees nowhere, so all its anchors
//! have box parts.

#![allow(clippy::print_stdout, reason = "a benchmark prints")]
#![allow(clippy::unwrap_used, reason = "a panic fails the benchmark")]

use std::time::Instant;

use bonsai_boxes::Cxcywh;
use bonsai_yolov8::{
    DistillGains, FeatureMap, HeadOutput, ImitationConfig, LevelOutput, LossGains, REG_MAX, STRIDES, Target,
    add_gradients, detection_loss, distillation_loss, imitate_features,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const BATCH: usize = 16;
const SIDE: usize = 320;
const ROUNDS: usize = 40;

/// Box and class logits of a level.
type Level = (Vec<f32>, Vec<f32>);

/// Logits with a likely class at about one anchor in 50.
fn logits(classes: usize, background: f32, rng: &mut ChaCha8Rng) -> Vec<Level> {
    let level = |stride: &usize| {
        let cells = (SIDE / stride).pow(2);
        let boxes = (0..BATCH * 4 * REG_MAX * cells).map(|_| rng.random_range(-3.0..3.0)).collect();
        let mut likely = vec![false; BATCH * cells];
        likely.fill_with(|| rng.random_range(0..50) == 0);
        let class = |i: usize| {
            let cell = i % cells;
            let class = i / cells % classes;
            let image = i / cells / classes;
            if class == 0 && likely[image * cells + cell] { 1.0 } else { background }
        };
        let classes = (0..BATCH * classes * cells).map(|i| class(i) + rng.random_range(-1.0..1.0)).collect();
        (boxes, classes)
    };
    STRIDES.iter().map(level).collect()
}

fn head(levels: &[Level], classes: usize) -> HeadOutput<'_> {
    let mut outputs = Vec::new();
    for ((box_logits, cls_logits), stride) in levels.iter().zip(STRIDES) {
        let side = SIDE / stride;
        outputs.push(LevelOutput { box_logits, cls_logits, h: side, w: side, stride });
    }
    HeadOutput::new(BATCH, classes, REG_MAX, outputs).unwrap()
}

/// Eight objects in every image.
fn targets(classes: usize, rng: &mut ChaCha8Rng) -> Vec<Target> {
    let mut target = |i: usize| {
        let mut between = |low: f32, high: f32| rng.random_range(low..high);
        let bbox = Cxcywh {
            cx: between(0.2, 0.8),
            cy: between(0.2, 0.8),
            w: between(0.1, 0.4),
            h: between(0.1, 0.4),
        };
        Target { image: i % BATCH, class_id: i % classes, bbox }
    };
    (0..8 * BATCH).map(&mut target).collect()
}

/// The shortest time of `work`, in milliseconds; the least affected by other processes.
fn least<T>(mut work: impl FnMut() -> T) -> f64 {
    let time = |_| {
        let clock = Instant::now();
        std::hint::black_box(work());
        clock.elapsed().as_secs_f64() * 1e3
    };
    (0..ROUNDS).map(time).fold(f64::INFINITY, f64::min)
}

/// Imitation of the three levels that yolov8n's head reads, by a student with half the channels.
fn imitation(rng: &mut ChaCha8Rng) -> f64 {
    let mut sum = 0.0;
    for (stride, channels) in STRIDES.into_iter().zip([64, 128, 256]) {
        let h = SIDE / stride;
        let w = SIDE / stride;
        let mut values = |channels: usize| -> Vec<f32> {
            (0..BATCH * channels * h * w).map(|_| rng.random_range(-1.0..2.0)).collect()
        };
        let teacher = values(channels);
        let student = values(channels / 2);
        let map = |values, channels| FeatureMap { values, n: BATCH, channels, h, w };
        let student = map(&student, channels / 2);
        let teacher = map(&teacher, channels);
        let matching: Vec<usize> = (0..channels).step_by(2).collect();
        let settings = ImitationConfig::default();
        sum += least(|| imitate_features(&student, &teacher, &matching, settings).unwrap());
    }
    sum
}

fn main() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    println!("batch {BATCH} at {SIDE} px, least of {ROUNDS} rounds in ms");
    println!("imitation of features at three levels {:6.2}", imitation(&mut rng));
    for classes in [3, 80] {
        let teacher = logits(classes, -8.0, &mut rng);
        for (name, background) in [("trained", -8.0), ("untrained", -3.0)] {
            let student = logits(classes, background, &mut rng);
            let student = head(&student, classes);
            let teacher = head(&teacher, classes);
            let targets = targets(classes, &mut rng);
            let detection = || detection_loss(&student, &targets, LossGains::default()).unwrap();
            let mut loss = detection();
            let distil = |dfl: f32| {
                let gains = DistillGains { dfl, ..DistillGains::default() };
                distillation_loss(&student, &teacher, loss.score_sum, gains).unwrap()
            };
            let more = distil(0.0).gradients;
            let times = [least(detection), least(|| distil(0.0)), least(|| distil(1.0))];
            let add = least(|| add_gradients(&mut loss.gradients, &more).unwrap());
            let [detection, bckd, ld] = times;
            println!(
                "{classes:2} classes, {name:9} student: distillation {bckd:6.2}, with LD {ld:6.2}, addition {add:5.2}; \
                 detection loss {detection:6.2}"
            );
        }
    }
}
