//! [`SplitLoss`]: the detection loss of a head whose raw outputs stay on another device.
//!
//! The device computes a few values of every anchor; the host assigns anchors to objects and computes the loss and the
//! gradient of the positive anchors, with the code of [`detection_loss`](crate::detection_loss); the device fills in the
//! gradient of all other anchors. The steps are:
//!
//! 1. [`SplitLoss::new`] checks the targets. [`SplitLoss::columns`] lists the class logits that assignment needs.
//! 2. The device computes the expected distances of all anchors, the class logits of the columns, and the sum of the
//!    softplus of all class logits. [`SplitLoss::assign`] takes them.
//! 3. The device reads the box logits of [`SplitLoss::anchors`]. [`SplitLoss::evaluate`] takes them.

use bonsai_graph::DetectHead;

use crate::assigner::{Positive, Predictor, assign_predictions};
use crate::ciou::Corners;
use crate::distribution::Distribution;
use crate::grid::{Grid, HeadShape};
use crate::head::HeadError;
use crate::loss::{BoxSides, LossGains, LossItems, Sums, Weights, object_of, score_sum};
use crate::target::{Object, Target, objects_by_image};

/// The loss of one batch.
#[derive(Debug)]
pub struct SplitLoss<'a> {
    shape: HeadShape,
    objects: Vec<Vec<Object>>,
    columns: Vec<[usize; 2]>,
    /// `[columns, anchors]`, after assignment.
    logits: &'a [f32],
    positives: Vec<Vec<Positive>>,
    anchors: Vec<[usize; 2]>,
}

/// Value and gradient of the loss.
#[derive(Debug, Clone, PartialEq)]
pub struct SplitLossOutput {
    /// The parts of the loss.
    pub items: LossItems,
    /// Sum of the parts times the batch size; training minimises it.
    pub total: f32,
    /// The gradient of a class logit x is this factor times sigmoid(x), plus its term in `class_terms`.
    pub class_scale: f32,
    /// For each positive anchor, a class and the term of its logit.
    pub class_terms: Vec<(usize, f32)>,
    /// `[anchors, 4 * reg_max]`: the gradient of the box logits of the positive anchors; that of all others is 0.
    pub box_logits: Vec<f32>,
}

impl<'a> SplitLoss<'a> {
    /// The loss of a head for a batch of images of this height and width.
    ///
    /// # Errors
    /// The batch, the classes, the levels or the image is empty; a target has an unknown image or class, or a box that is
    /// not finite.
    pub fn new(
        head: &DetectHead,
        batch: usize,
        [height, width]: [usize; 2],
        targets: &[Target],
    ) -> Result<Self, HeadError> {
        let DetectHead { num_classes, reg_max, .. } = *head;
        if batch == 0 || num_classes == 0 || head.strides.is_empty() {
            return Err(HeadError::Empty { batch, num_classes, levels: head.strides.len() });
        }
        if reg_max < 2 {
            return Err(HeadError::RegMax(reg_max));
        }
        for (level, &stride) in head.strides.iter().enumerate() {
            let [h, w] = [height, width].map(|size| size.checked_div(stride).unwrap_or(0));
            if h == 0 || w == 0 {
                return Err(HeadError::EmptyLevel { level, h, w, stride });
            }
        }
        let grids = Grid::all(head.strides.iter().map(|&stride| (height / stride, width / stride, stride)));
        let shape = HeadShape { batch, num_classes, reg_max, image_size: (width, height), grids };
        let objects = objects_by_image(&shape, targets)?;
        let mut columns: Vec<_> = targets.iter().map(|t| [t.image, t.class_id]).collect();
        columns.sort_unstable();
        columns.dedup();
        Ok(Self { shape, objects, columns, logits: &[], positives: Vec::new(), anchors: Vec::new() })
    }

    /// The image and the class of each column of class logits that assignment needs.
    pub fn columns(&self) -> &[[usize; 2]] {
        &self.columns
    }

    /// Assigns anchors to objects by the expected distances `[n, anchors, 4]`, in cells, and the class logits
    /// `[columns, anchors]`.
    ///
    /// # Panics
    /// If a slice has another length.
    pub fn assign(&mut self, distances: &[f32], logits: &'a [f32]) {
        let anchors: usize = self.shape.grids.iter().map(|g| g.h * g.w).sum();
        assert_eq!(distances.len(), self.shape.batch * anchors * 4, "distances [n, {anchors}, 4]");
        assert_eq!(logits.len(), self.columns.len() * anchors, "logits [columns, {anchors}]");
        self.logits = logits;
        let predictor = |image| AnchorPredictor { loss: self, distances, anchors, image };
        let positives = assign_predictions(&self.shape.grids, &self.objects, predictor);
        let of_image = |(image, positives): (usize, &Vec<Positive>)| {
            positives.iter().map(move |p| [image, p.anchor]).collect::<Vec<_>>()
        };
        self.anchors = positives.iter().enumerate().flat_map(of_image).collect();
        self.positives = positives;
    }

    /// The image and the number of each positive anchor; empty before assignment.
    pub fn anchors(&self) -> &[[usize; 2]] {
        &self.anchors
    }

    /// The loss and its gradient, by the sum of ln(1 + e^x) over all class logits x and the box logits
    /// `[anchors, 4 * reg_max]` of the positive anchors.
    ///
    /// NaN in the logits makes the loss NaN; it is not an error.
    ///
    /// # Panics
    /// If the slice has another length.
    pub fn evaluate(&self, softplus: f64, box_logits: &[f32], gains: LossGains) -> SplitLossOutput {
        let HeadShape { batch, reg_max, ref grids, .. } = self.shape;
        assert_eq!(
            box_logits.len(),
            self.anchors.len() * 4 * reg_max,
            "box logits [positives, 4 * {reg_max}]"
        );
        let score_sum = score_sum(&self.positives);
        let weights = Weights::new(gains, score_sum, batch);
        let mut sums = Sums { cls: softplus, ..Sums::default() };
        let mut class_terms = Vec::with_capacity(self.anchors.len());
        let mut gradient = vec![0.0; box_logits.len()];
        let mut distribution = Distribution::new(reg_max);
        let rows = box_logits.chunks_exact(4 * reg_max).zip(gradient.chunks_exact_mut(4 * reg_max));
        let positives =
            self.positives.iter().enumerate().flat_map(|(image, p)| p.iter().map(move |p| (image, p)));
        for ((image, positive), (logits, gradient)) in positives.zip(rows) {
            let object =
                object_of(positive, &self.objects[image]).expect("assignment chose one of these objects");
            let score = positive.score;
            sums.cls -= f64::from(self.logit(image, object.class_id, positive.anchor)) * score;
            class_terms.push((object.class_id, -(weights.cls * score) as f32));
            let (level, cell) = Grid::locate(grids, positive.anchor);
            distribution.read(logits, 1, 0);
            let sides = BoxSides { grid: grids[level], cell, object, score };
            sides.add(&distribution, weights, (gradient, 1, 0), &mut sums);
        }
        let (items, total) = sums.items(gains, score_sum, batch);
        SplitLossOutput { items, total, class_scale: weights.cls as f32, class_terms, box_logits: gradient }
    }

    /// A class logit that assignment needs.
    fn logit(&self, image: usize, class_id: usize, anchor: usize) -> f32 {
        let column = self.columns.binary_search(&[image, class_id]).expect("every target has a column");
        self.logits[self.logits.len() / self.columns.len() * column + anchor]
    }
}

/// The predictions of one image, from the values that the device computed.
struct AnchorPredictor<'a> {
    loss: &'a SplitLoss<'a>,
    distances: &'a [f32],
    /// Number of anchors of an image.
    anchors: usize,
    image: usize,
}

impl Predictor for AnchorPredictor<'_> {
    fn bbox(&mut self, _: usize, grid: &Grid, cell: usize) -> Corners {
        let first = 4 * (self.image * self.anchors + grid.first + cell);
        let distances = std::array::from_fn(|side| f64::from(self.distances[first + side]));
        Corners::around(grid.centre(cell), distances).scaled(grid.stride as f64)
    }

    fn score(&self, _: usize, grid: &Grid, cell: usize, class_id: usize) -> f64 {
        let logit = self.loss.logit(self.image, class_id, grid.first + cell);
        1.0 / (1.0 + (-f64::from(logit)).exp())
    }
}

#[cfg(test)]
mod tests;
