//! [`detection_loss`]: the detection loss of YOLOv8, value and gradient together.
//!
//! The loss is three sums over the batch, divided by the sum S of all soft labels (at least 1): binary
//! cross-entropy of every anchor and class with its soft label; 1 - CIoU of the positive anchors; the
//! distribution focal loss of their sides. The soft label weights the last two. The background part is one
//! streaming pass over the class planes; everything else reads positive anchors only.
//!
//! Invariant: images are independent except for S, and are combined in order, so the result has the same bits
//! for any number of threads. The gradient treats the assignment and S as constants. The definition is that
//! of Ultralytics 8.0.90; `fixtures/yolov8` compares values, gradients and assignments with it.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::assigner::{Positive, assign_objects};
use crate::ciou::{Corners, ciou};
use crate::class_weights::ClassWeights;
use crate::distribution::Distribution;
use crate::gradient::{ImagePlanes, LevelGradient, planes_by_image, zero_gradients};
use crate::grid::{Grid, HeadShape};
use crate::head::{HeadError, HeadOutput};
use crate::sigmoid::background_cross_entropy;
use crate::target::{Object, Target, objects_by_image};

/// Weights of the three parts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LossGains {
    /// Weight of 1 - CIoU.
    pub bbox: f32,
    /// Weight of the class cross-entropy.
    pub cls: f32,
    /// Weight of the distribution focal loss.
    pub dfl: f32,
}

impl Default for LossGains {
    /// 7.5, 0.5 and 1.5, as in Ultralytics.
    fn default() -> Self {
        Self { bbox: 7.5, cls: 0.5, dfl: 1.5 }
    }
}

/// The three parts including their gains, divided by the sum of soft labels, as Ultralytics logs them.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct LossItems {
    /// Box part.
    pub bbox: f32,
    /// Class part.
    pub cls: f32,
    /// Distribution part.
    pub dfl: f32,
}

/// Value and gradient of the detection loss.
#[derive(Debug, Clone, PartialEq)]
pub struct LossOutput {
    /// The parts of the loss.
    pub items: LossItems,
    /// Sum of the parts times the batch size; training minimises it.
    pub total: f32,
    /// Sum of the soft labels of the batch, at least 1; the divisor of the parts. A loss that is added to
    /// this one is divided by it too.
    pub score_sum: f64,
    /// Gradient of `total`, by level.
    pub gradients: Vec<LevelGradient>,
}

/// The loss of a batch and its gradient with respect to the head's raw outputs.
///
/// A batch without targets has only the class part. NaN in the logits makes the loss NaN; it is not an error.
///
/// # Errors
/// A target has an unknown image or class, or a box that is not finite.
pub fn detection_loss(
    head: &HeadOutput,
    targets: &[Target],
    gains: LossGains,
) -> Result<LossOutput, HeadError> {
    weighted_detection_loss(head, targets, gains, None)
}

/// [`detection_loss`] with a factor on the cross-entropy of each class. The assignment, the soft labels and their
/// sum do not change.
///
/// # Errors
/// As [`detection_loss`]; [`HeadError::ClassWeights`] if there are not as many weights as classes.
pub fn weighted_detection_loss(
    head: &HeadOutput,
    targets: &[Target],
    gains: LossGains,
    class_weights: Option<&ClassWeights>,
) -> Result<LossOutput, HeadError> {
    let class_weights = class_weights.map(ClassWeights::as_slice);
    if let Some(weights) = class_weights
        && weights.len() != head.num_classes()
    {
        return Err(HeadError::ClassWeights { weights: weights.len(), num_classes: head.num_classes() });
    }
    let objects = objects_by_image(&HeadShape::from_head(head), targets)?;
    let positives = assign_objects(head, &objects);
    Ok(evaluate(head, &objects, &positives, gains, class_weights))
}

/// Unweighted sums of one image or of the batch.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sums {
    pub(crate) bbox: f64,
    pub(crate) cls: f64,
    pub(crate) dfl: f64,
}

impl Sums {
    /// The three parts, and their sum times the batch size.
    pub(crate) fn items(self, gains: LossGains, score_sum: f64, batch: usize) -> (LossItems, f32) {
        let item = |gain: f32, sum: f64| f64::from(gain) * sum / score_sum;
        let bbox = item(gains.bbox, self.bbox);
        let cls = item(gains.cls, self.cls);
        let dfl = item(gains.dfl, self.dfl);
        let items = LossItems { bbox: bbox as f32, cls: cls as f32, dfl: dfl as f32 };
        (items, ((bbox + cls + dfl) * batch as f64) as f32)
    }
}

/// The factor of each sum in the total.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Weights {
    pub(crate) bbox: f64,
    pub(crate) cls: f64,
    pub(crate) dfl: f64,
}

impl Weights {
    pub(crate) fn new(gains: LossGains, score_sum: f64, batch: usize) -> Self {
        let weight = |gain: f32| f64::from(gain) * batch as f64 / score_sum;
        Self { bbox: weight(gains.bbox), cls: weight(gains.cls), dfl: weight(gains.dfl) }
    }
}

/// Sum of the soft labels, at least 1.
pub(crate) fn score_sum(positives: &[Vec<Positive>]) -> f64 {
    positives.iter().flatten().map(|p| p.score).sum::<f64>().max(1.0)
}

/// The object of a positive anchor. Objects of an image keep the order of the targets.
pub(crate) fn object_of<'a>(positive: &Positive, objects: &'a [Object]) -> Option<&'a Object> {
    objects.binary_search_by_key(&positive.target, |o| o.target).ok().map(|found| &objects[found])
}

/// The loss for a given assignment.
fn evaluate(
    head: &HeadOutput,
    objects: &[Vec<Object>],
    positives: &[Vec<Positive>],
    gains: LossGains,
    class_weights: Option<&[f32]>,
) -> LossOutput {
    let score_sum = score_sum(positives);
    let weights = Weights::new(gains, score_sum, head.batch());
    let mut gradients = zero_gradients(head);
    let grids = Grid::from_head(head);
    let sums: Vec<Sums> = planes_by_image(head, &mut gradients)
        .into_par_iter()
        .enumerate()
        .map(|(image, mut planes)| {
            let cls = background(head, image, weights.cls, class_weights, &mut planes);
            let mut sums = Sums { cls, ..Sums::default() };
            let mut distribution = Distribution::new(head.reg_max());
            for positive in &positives[image] {
                if let Some(object) = object_of(positive, &objects[image]) {
                    let foreground = Foreground { head, image, grids: &grids, weights, class_weights };
                    foreground.add(positive, object, &mut distribution, &mut planes, &mut sums);
                }
            }
            sums
        })
        .collect();

    let mut sum = Sums::default();
    for s in sums {
        sum.bbox += s.bbox;
        sum.cls += s.cls;
        sum.dfl += s.dfl;
    }
    let (items, total) = sum.items(gains, score_sum, head.batch());
    LossOutput { items, total, score_sum, gradients }
}

/// The class part for an image without objects.
fn background(
    head: &HeadOutput,
    image: usize,
    weight: f64,
    class_weights: Option<&[f32]>,
    planes: &mut [ImagePlanes],
) -> f64 {
    let one = |(level, planes): (usize, &mut ImagePlanes)| {
        let logits = head.cls_logits(level, image);
        let Some(class_weights) = class_weights else {
            return background_cross_entropy(logits, weight as f32, planes.cls_logits);
        };
        let cells = head.levels()[level].cells();
        let classes = logits.chunks_exact(cells).zip(planes.cls_logits.chunks_exact_mut(cells));
        let class = |((logits, gradient), factor): ((&[f32], &mut [f32]), &f32)| {
            let factor = f64::from(*factor);
            factor * background_cross_entropy(logits, (weight * factor) as f32, gradient)
        };
        classes.zip(class_weights).map(class).sum()
    };
    planes.iter_mut().enumerate().map(one).sum()
}

/// The inputs for the positive anchors of an image.
struct Foreground<'a> {
    head: &'a HeadOutput<'a>,
    image: usize,
    grids: &'a [Grid],
    weights: Weights,
    class_weights: Option<&'a [f32]>,
}

impl Foreground<'_> {
    /// Adds one positive anchor to all three sums and to the gradient.
    fn add(
        &self,
        positive: &Positive,
        object: &Object,
        distribution: &mut Distribution,
        planes: &mut [ImagePlanes],
        sums: &mut Sums,
    ) {
        let (level, cell) = Grid::locate(self.grids, positive.anchor);
        let grid = self.grids[level];
        let cells = grid.h * grid.w;
        let score = positive.score;

        // The target of the cross-entropy enters linearly, as -x t.
        let logit = object.class_id * cells + cell;
        let weighted = score * self.class_weights.map_or(1.0, |weights| f64::from(weights[object.class_id]));
        sums.cls -= f64::from(self.head.cls_logits(level, self.image)[logit]) * weighted;
        let gradient = &mut planes[level].cls_logits[logit];
        *gradient = (f64::from(*gradient) - self.weights.cls * weighted) as f32;

        distribution.read(self.head.box_logits(level, self.image), cells, cell);
        let sides = BoxSides { grid, cell, object, score };
        let planes = &mut *planes[level].box_logits;
        sides.add(distribution, self.weights, (planes, cells, cell), sums);
    }
}

/// A positive anchor and the object whose box it should predict.
pub(crate) struct BoxSides<'a> {
    pub(crate) grid: Grid,
    /// The cell in its level.
    pub(crate) cell: usize,
    pub(crate) object: &'a Object,
    pub(crate) score: f64,
}

impl BoxSides<'_> {
    /// Adds the box part and the distribution part. Writes the gradient of the logits to planes `[4 * reg_max, cells]`
    /// at a cell.
    pub(crate) fn add(
        &self,
        distribution: &Distribution,
        weights: Weights,
        (planes, cells, cell): (&mut [f32], usize, usize),
        sums: &mut Sums,
    ) {
        let score = self.score;
        let centre = self.grid.centre(self.cell);
        let target = self.object.bbox.scaled(1.0 / self.grid.stride as f64);
        let wanted = [centre.0 - target.x1, centre.1 - target.y1, target.x2 - centre.0, target.y2 - centre.1];
        let overlap = ciou(Corners::around(centre, distribution.distances()), target);
        sums.bbox += (1.0 - overlap.value) * score;
        sums.dfl += distribution.focal_loss(wanted) * score;

        let by_distance = overlap.loss_by_distance().map(|slope| weights.bbox * score * slope);
        distribution.write_gradient(by_distance, wanted, weights.dfl * score, planes, cells, cell);
    }
}

#[cfg(test)]
mod tests;
