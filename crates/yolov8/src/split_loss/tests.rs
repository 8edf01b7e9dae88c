//! Compares the split loss with [`detection_loss`] of the same head; plain loops over the outputs take the place of the
//! device.

use bonsai_boxes::Cxcywh;

use super::*;
use crate::head::{HeadOutput, LevelOutput};
use crate::{LevelGradient, detection_loss};

const BATCH: usize = 3;
const CLASSES: usize = 4;
const BINS: usize = 6;
/// Height and width of the images.
const SIZE: [usize; 2] = [32, 64];
const STRIDES: [usize; 3] = [8, 16, 32];

/// The device returns the distances in f32, so soft labels differ by about 1e-6 of themselves.
const TOLERANCE: f32 = 1e-5;

fn head() -> DetectHead {
    DetectHead {
        num_classes: CLASSES,
        reg_max: BINS,
        strides: STRIDES.to_vec(),
        box_outputs: vec![0, 1, 2],
        cls_outputs: vec![3, 4, 5],
    }
}

/// Box and class logits of every level.
fn logits() -> Vec<[Vec<f32>; 2]> {
    let wave = |n: usize, seed: usize| (0..n).map(|i| (i as f32 * 1.7 + seed as f32).sin() * 1.5).collect();
    let cells = STRIDES.map(|stride| SIZE[0] / stride * (SIZE[1] / stride));
    cells
        .map(|cells| [wave(BATCH * 4 * BINS * cells, cells), wave(BATCH * CLASSES * cells, cells + 3)])
        .to_vec()
}

fn output(logits: &[[Vec<f32>; 2]]) -> HeadOutput<'_> {
    let mut levels = Vec::new();
    for (&stride, [box_logits, cls_logits]) in STRIDES.iter().zip(logits) {
        levels.push(LevelOutput { box_logits, cls_logits, h: SIZE[0] / stride, w: SIZE[1] / stride, stride });
    }
    HeadOutput::new(BATCH, CLASSES, BINS, levels).unwrap()
}

/// Objects of three images; the second one has none.
fn targets() -> Vec<Target> {
    let target = |image, class_id, cx, cy, w, h| Target { image, class_id, bbox: Cxcywh { cx, cy, w, h } };
    vec![
        target(2, 3, 0.41, 0.52, 0.63, 0.81),
        target(0, 1, 0.30, 0.45, 0.52, 0.77),
        target(2, 1, 0.72, 0.5, 0.5, 0.9),
        target(2, 3, 0.2, 0.3, 0.3, 0.4),
    ]
}

/// What the device computes of all anchors: distances, class logits of the columns, and the sum of the softplus.
fn device(head: &HeadOutput, columns: &[[usize; 2]]) -> (Vec<f32>, Vec<f32>, f64) {
    let mut distribution = Distribution::new(BINS);
    let mut distances = Vec::new();
    for image in 0..BATCH {
        for (level, l) in head.levels().iter().enumerate() {
            for cell in 0..l.cells() {
                let read = distribution.read(head.box_logits(level, image), l.cells(), cell);
                distances.extend(read.map(|d| d as f32));
            }
        }
    }
    let mut logits = Vec::new();
    for &[image, class] in columns {
        for (level, l) in head.levels().iter().enumerate() {
            logits.extend_from_slice(&head.cls_logits(level, image)[class * l.cells()..][..l.cells()]);
        }
    }
    let softplus = head.levels().iter().flat_map(|l| l.cls_logits).map(|&x| f64::from(x).exp().ln_1p()).sum();
    (distances, logits, softplus)
}

/// The gradient of all raw outputs, as the device fills it in.
fn fill(head: &HeadOutput, loss: &SplitLoss, found: &SplitLossOutput) -> Vec<LevelGradient> {
    let background = |x: &f32| found.class_scale / (1.0 + (-x).exp());
    let mut gradients: Vec<LevelGradient> = head
        .levels()
        .iter()
        .map(|l| LevelGradient {
            box_logits: vec![0.0; l.box_logits.len()],
            cls_logits: l.cls_logits.iter().map(background).collect(),
        })
        .collect();
    let rows = found.box_logits.chunks_exact(4 * BINS).zip(&found.class_terms);
    for (&[image, anchor], (row, &(class, term))) in loss.anchors().iter().zip(rows) {
        let (level, cell) = Grid::locate(&loss.shape.grids, anchor);
        let cells = head.levels()[level].cells();
        gradients[level].cls_logits[(image * CLASSES + class) * cells + cell] += term;
        for (bin, value) in row.iter().enumerate() {
            gradients[level].box_logits[(image * 4 * BINS + bin) * cells + cell] = *value;
        }
    }
    gradients
}

#[test]
fn it_is_the_detection_loss() {
    let logits = logits();
    let output = output(&logits);
    let gains = LossGains::default();
    for targets in [targets(), Vec::new()] {
        let expected = detection_loss(&output, &targets, gains).unwrap();
        let mut loss = SplitLoss::new(&head(), BATCH, SIZE, &targets).unwrap();
        let (distances, columns, softplus) = device(&output, loss.columns());
        loss.assign(&distances, &columns);
        assert_eq!(loss.anchors().is_empty(), targets.is_empty());
        let mut read = Vec::new();
        for &[image, anchor] in loss.anchors() {
            let (level, cell) = Grid::locate(&loss.shape.grids, anchor);
            let planes = output.box_logits(level, image);
            read.extend(planes.iter().skip(cell).step_by(output.levels()[level].cells()));
        }
        let found = loss.evaluate(softplus, &read, gains);
        assert!((found.total - expected.total).abs() <= TOLERANCE * expected.total, "{found:?} {expected:?}");
        let [a, b] = [found.items, expected.items].map(|i| [i.bbox, i.cls, i.dfl]);
        for (a, b) in a.into_iter().zip(b) {
            assert!((a - b).abs() <= TOLERANCE * b.abs(), "{a} {b}");
        }
        let gradients = fill(&output, &loss, &found);
        for (level, (found, expected)) in gradients.iter().zip(&expected.gradients).enumerate() {
            for (kind, found, expected) in [
                ("box", &found.box_logits, &expected.box_logits),
                ("class", &found.cls_logits, &expected.cls_logits),
            ] {
                for (i, (a, b)) in found.iter().zip(expected).enumerate() {
                    assert!((a - b).abs() <= TOLERANCE, "{kind} logit {i} of level {level}: {a} and {b}");
                }
            }
        }
    }
}

#[test]
fn columns_are_the_classes_of_each_image() {
    let loss = SplitLoss::new(&head(), BATCH, SIZE, &targets()).unwrap();
    assert_eq!(loss.columns(), [[0, 1], [2, 1], [2, 3]]);
}

#[test]
fn bad_targets_and_sizes_are_named() {
    let fails = |head: &DetectHead, size, targets: &[Target]| {
        SplitLoss::new(head, BATCH, size, targets).unwrap_err().to_string()
    };
    let target = Target { class_id: 7, ..targets()[0] };
    let message = fails(&head(), SIZE, &[target]);
    assert_eq!(message, "target 0 has class 7, but the head has 4 classes (numbered from 0)");
    let message = fails(&head(), [16, 64], &[]);
    assert!(message.starts_with("level 2 is 0 x 2 cells at stride 32"), "{message}");
    let message = fails(&DetectHead { strides: Vec::new(), ..head() }, SIZE, &[]);
    assert!(message.contains("0 levels"), "{message}");
}
