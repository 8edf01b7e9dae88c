//! [`distillation_loss`]: the loss of a student's logits against a teacher's, value and gradient together.
//!
//! A frozen teacher with the same classes and strides, of any width, runs on the same batch, and the loss
//! pulls every anchor of the student towards the teacher's prediction. For anchor a and class c, with logits
//! z and p = sigmoid(z) of student s and teacher t, and the sum S of the soft labels of the detection loss:
//!
//! - classes: sum over a and c of `|p_t - p_s|^beta BCE(z_s, p_t)`, where beta is 1 or 0; the gradient
//!   includes the factor (BCKD: Yang et al., "Bridging Cross-task Protocol Inconsistency for Distillation in
//!   Dense Object Detection", 2023, arXiv 2308.14286);
//! - boxes: sum over a of `m_a (1 - CIoU(box_s, box_t))`, where `m_a` is the largest `|p_t - p_s|` of the
//!   classes (BCKD) or the largest `p_t`, and a constant for the gradient. BCKD uses `IoU`; this crate uses
//!   the CIoU of the detection loss, in cells of the level, so that boxes that do not overlap also attract
//!   each other and both losses use the same measure. The weight alpha is a constant, as in the detection
//!   loss;
//! - distributions (LD: Zheng et al., "Localization Distillation for Dense Object Detection", 2022, arXiv
//!   2102.12252): sum over a of `m_a` times the mean over the four sides of
//!   `T² KL(softmax(d_t / T) || softmax(d_s / T))`.
//!
//! Each part is divided by S, weighted by its gain and, in the total and the gradient, multiplied by the
//! batch size, like the detection loss. The box parts skip anchors whose `m_a` is below 1e-3 (`SILENT`).
//!
//! Invariant: images are independent except for S, which is a constant, and are combined in order, so the
//! result has the same bits for any number of threads. The class part is one streaming pass over the planes
//! of both heads.

use rayon::prelude::*;

use crate::gradient::{ImagePlanes, LevelGradient, planes_by_image, zero_gradients};
use crate::grid::Grid;
use crate::head::HeadOutput;
use crate::sigmoid::{SoftWeights, soft_cross_entropy};

mod boxes;
mod error;
mod gains;

use boxes::{BoxPair, BoxPlanes, BoxTerms};
pub use error::DistillError;
pub use gains::{AnchorWeight, DistillGains};

/// The box parts skip anchors of a lower weight: nearly all are background for both heads, so the teacher's
/// box there is noise. Skipping saves their softmax, which would take longer than everything else.
const SILENT: f32 = 1e-3;

/// The three parts including their gains, divided by the sum of soft labels.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct DistillItems {
    /// Class part. With beta 0 its minimum is the entropy of the teacher's probabilities, not 0.
    pub cls: f32,
    /// Box part.
    pub bbox: f32,
    /// Distribution part.
    pub dfl: f32,
}

/// Value and gradient of the distillation loss.
#[derive(Debug, Clone, PartialEq)]
pub struct DistillOutput {
    /// The parts of the loss.
    pub items: DistillItems,
    /// Sum of the parts times the batch size; the caller adds it to the total of the detection loss.
    pub total: f32,
    /// Gradient of `total` with respect to the student's raw outputs, by level.
    pub gradients: Vec<LevelGradient>,
}

/// The loss of a student's raw outputs against a teacher's on the same batch, and its gradient with respect
/// to the student's outputs.
///
/// `score_sum` is that of the student's detection loss for the batch. NaN in the class logits makes the loss
/// NaN, and so does NaN in the box logits of an anchor with a box part; neither is an error.
///
/// ```
/// use bonsai_yolov8::{DistillGains, HeadOutput, LevelOutput, LossGains};
/// use bonsai_yolov8::{add_gradients, detection_loss, distillation_loss};
///
/// // One image of 32 x 32 px, 3 classes, one level of 4 x 4 cells; the teacher has higher scores.
/// let (boxes, unsure, sure) = (vec![0.0; 64 * 16], vec![-3.0; 3 * 16], vec![1.0; 3 * 16]);
/// let head = |cls_logits| {
///     HeadOutput::new(1, 3, 16, vec![LevelOutput { box_logits: &boxes, cls_logits, h: 4, w: 4, stride: 8 }])
/// };
/// let (student, teacher) = (head(&unsure)?, head(&sure)?);
///
/// let mut loss = detection_loss(&student, &[], LossGains::default())?;
/// let more = distillation_loss(&student, &teacher, loss.score_sum, DistillGains::default())?;
/// loss.total += more.total;
/// add_gradients(&mut loss.gradients, &more.gradients)?;
/// assert!(more.items.cls > 0.0 && more.gradients[0].cls_logits[0] < 0.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// A setting is out of range, `score_sum` is not finite or below 1, or the teacher has another number of
/// images, classes, bins or levels, or other cells at a level.
pub fn distillation_loss(
    student: &HeadOutput,
    teacher: &HeadOutput,
    score_sum: f64,
    gains: DistillGains,
) -> Result<DistillOutput, DistillError> {
    gains.check()?;
    if !(score_sum >= 1.0 && score_sum.is_finite()) {
        return Err(DistillError::ScoreSum(score_sum));
    }
    error::compare(student, teacher)?;

    let batch = student.batch() as f64;
    let pair = Pair { student, teacher, grids: &Grid::from_head(student), gains, scale: batch / score_sum };
    let mut gradients = zero_gradients(student);
    let sums: Vec<Sums> = planes_by_image(student, &mut gradients)
        .into_par_iter()
        .enumerate()
        .map(|(image, mut planes)| pair.image(image, &mut planes))
        .collect();

    let mut sum = Sums::default();
    for s in sums {
        sum.add(s);
    }
    let item = |gain: f32, sum: f64| f64::from(gain) * sum / score_sum;
    let cls = item(gains.cls, sum.cls);
    let bbox = item(gains.bbox, sum.bbox);
    let dfl = item(gains.dfl, sum.dfl);
    Ok(DistillOutput {
        items: DistillItems { cls: cls as f32, bbox: bbox as f32, dfl: dfl as f32 },
        total: ((cls + bbox + dfl) * batch) as f32,
        gradients,
    })
}

/// Unweighted sums of a level, an image or the batch.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    cls: f64,
    bbox: f64,
    dfl: f64,
}

impl Sums {
    fn add(&mut self, other: Self) {
        self.cls += other.cls;
        self.bbox += other.bbox;
        self.dfl += other.dfl;
    }
}

/// Two heads with the same anchors.
struct Pair<'a> {
    student: &'a HeadOutput<'a>,
    teacher: &'a HeadOutput<'a>,
    grids: &'a [Grid],
    gains: DistillGains,
    /// Factor of an unweighted sum in the total, without the gain.
    scale: f64,
}

impl Pair<'_> {
    /// Computes the sums of an image and writes its gradient.
    fn image(&self, image: usize, planes: &mut [ImagePlanes]) -> Sums {
        let weight = |gain: f32| f64::from(gain) * self.scale;
        let dfl = (self.gains.dfl > 0.0).then(|| weight(self.gains.dfl));
        let terms = BoxTerms { bbox: weight(self.gains.bbox), dfl, temperature: self.gains.temperature };
        let mut boxes = BoxPair::new(self.student.reg_max(), terms);
        let mut sums = Sums::default();
        for (level, planes) in planes.iter_mut().enumerate() {
            let mut anchor_weights = vec![0.0; self.student.levels()[level].cells()];
            sums.cls += self.classes(image, level, planes.cls_logits, &mut anchor_weights);
            if self.gains.bbox > 0.0 || dfl.is_some() {
                sums.add(self.boxes(image, level, &anchor_weights, &mut boxes, planes.box_logits));
            }
        }
        sums
    }

    /// The class part of a level; also writes the weight of every anchor.
    fn classes(&self, image: usize, level: usize, gradient: &mut [f32], anchor_weights: &mut [f32]) -> f64 {
        let weights = SoftWeights {
            scale: (f64::from(self.gains.cls) * self.scale) as f32,
            by_gap: self.gains.modulated,
            highest_gap: self.gains.anchor_weight == AnchorWeight::Gap,
        };
        let cells = anchor_weights.len();
        let students = self.student.cls_logits(level, image).chunks_exact(cells);
        let teachers = self.teacher.cls_logits(level, image).chunks_exact(cells);
        let mut sum = 0.0;
        for ((student, teacher), gradient) in students.zip(teachers).zip(gradient.chunks_exact_mut(cells)) {
            sum += soft_cross_entropy(student, teacher, weights, gradient, anchor_weights);
        }
        sum
    }

    /// The box parts of a level.
    fn boxes(
        &self,
        image: usize,
        level: usize,
        anchor_weights: &[f32],
        boxes: &mut BoxPair,
        gradient: &mut [f32],
    ) -> Sums {
        let mut planes = BoxPlanes {
            student: self.student.box_logits(level, image),
            teacher: self.teacher.box_logits(level, image),
            gradient,
            cells: anchor_weights.len(),
        };
        let mut sums = Sums::default();
        for (cell, &m) in anchor_weights.iter().enumerate() {
            if m < SILENT {
                continue;
            }
            let m = f64::from(m);
            let values = boxes.add(&mut planes, cell, self.grids[level].centre(cell), m);
            sums.bbox += m * values.bbox;
            sums.dfl += m * values.dfl;
        }
        sums
    }
}
