//! Head outputs to boxes and scores.
//!
//! Idea: a box is the anchor's centre and the four expected distances, times the stride; a score is the
//! sigmoid of its logit. The layout is that of an exported model's `output0`, so predictions of a training
//! network, an ONNX runtime and an engine are one type. It neither filters nor sorts; see `nms`.

use bonsai_boxes::Cxcywh;
use rayon::prelude::*;

use crate::head::{Grid, HeadError, HeadOutput};
use crate::sigmoid::{exp_negative, sigmoid};

/// Anchors that are decoded together.
const BLOCK: usize = 32;

/// Decoded outputs of a batch, `[n, 4 + num_classes, anchors]`.
///
/// The planes of an image are cx, cy, w, h in pixels of the network's input, then the score of each class in
/// 0..=1. Anchors are counted by level, then row by row.
#[derive(Debug, Clone, PartialEq)]
pub struct Predictions {
    batch: usize,
    num_classes: usize,
    anchors: usize,
    data: Vec<f32>,
}

/// Decoded outputs of one image.
#[derive(Debug, Clone, Copy)]
pub struct ImagePredictions<'a> {
    anchors: usize,
    planes: &'a [f32],
}

impl Predictions {
    /// Takes what a runtime returned for `output0`.
    ///
    /// # Errors
    /// The length is not `batch * (4 + num_classes) * anchors`.
    pub fn new(batch: usize, num_classes: usize, anchors: usize, data: Vec<f32>) -> Result<Self, HeadError> {
        let expected = batch * (4 + num_classes) * anchors;
        if data.len() == expected {
            Ok(Self { batch, num_classes, anchors, data })
        } else {
            Err(HeadError::Predictions { batch, num_classes, anchors, expected, found: data.len() })
        }
    }

    /// Images.
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// Classes.
    pub fn num_classes(&self) -> usize {
        self.num_classes
    }

    /// Anchors of an image.
    pub fn anchors(&self) -> usize {
        self.anchors
    }

    /// All values, `[n, 4 + num_classes, anchors]`.
    pub fn as_slice(&self) -> &[f32] {
        &self.data
    }

    /// All values, `[n, 4 + num_classes, anchors]`.
    pub fn into_vec(self) -> Vec<f32> {
        self.data
    }

    /// The images, in order.
    pub fn images(&self) -> impl ExactSizeIterator<Item = ImagePredictions<'_>> + Clone {
        let length = (4 + self.num_classes) * self.anchors;
        let image =
            move |n| ImagePredictions { anchors: self.anchors, planes: &self.data[n * length..][..length] };
        (0..self.batch).map(image)
    }
}

impl<'a> ImagePredictions<'a> {
    /// The box of an anchor, in pixels of the network's input.
    ///
    /// # Panics
    /// There is no such anchor.
    pub fn bbox(&self, anchor: usize) -> Cxcywh {
        assert!(anchor < self.anchors, "anchor {anchor} of {}", self.anchors);
        let plane = |i: usize| self.planes[i * self.anchors + anchor];
        Cxcywh { cx: plane(0), cy: plane(1), w: plane(2), h: plane(3) }
    }

    /// The scores of every class: a plane over the anchors for each.
    pub fn class_planes(&self) -> impl ExactSizeIterator<Item = &'a [f32]> + Clone {
        // `max(1)`: without anchors there is nothing to cut, and no plane.
        self.planes[4 * self.anchors..].chunks_exact(self.anchors.max(1))
    }

    /// Every anchor's box, best class (the first of equals) and its score.
    pub fn best(&self) -> impl ExactSizeIterator<Item = (Cxcywh, usize, f32)> + '_ {
        let mut best = vec![(0, f32::NEG_INFINITY); self.anchors];
        for (class_id, plane) in self.class_planes().enumerate() {
            for (best, &score) in best.iter_mut().zip(plane) {
                if score > best.1 {
                    *best = (class_id, score);
                }
            }
        }
        best.into_iter().enumerate().map(|(anchor, (class_id, score))| (self.bbox(anchor), class_id, score))
    }
}

/// Decodes a batch.
pub fn decode(head: &HeadOutput) -> Predictions {
    let (batch, num_classes, anchors) = (head.batch(), head.num_classes(), head.anchors());
    let length = (4 + num_classes) * anchors;
    let mut data = vec![0.0; batch * length];
    let grids = Grid::of(head);
    data.par_chunks_exact_mut(length).enumerate().for_each(|(image, planes)| {
        let (boxes, scores) = planes.split_at_mut(4 * anchors);
        for (level, grid) in grids.iter().enumerate() {
            let cells = grid.h * grid.w;
            let logits = head.box_logits(level, image);
            for start in (0..cells).step_by(BLOCK) {
                let end = (start + BLOCK).min(cells);
                let [left, top, right, bottom] = std::array::from_fn(|side| {
                    let side = &logits[side * head.reg_max() * cells..][..head.reg_max() * cells];
                    expected_bins(side, cells, start, end)
                });
                for (i, cell) in (start..end).enumerate() {
                    let (x, y) = grid.centre(cell);
                    let (x, y, stride) = (x as f32, y as f32, grid.stride as f32);
                    let (x1, y1, x2, y2) = (x - left[i], y - top[i], x + right[i], y + bottom[i]);
                    let bbox = [f32::midpoint(x1, x2), f32::midpoint(y1, y2), x2 - x1, y2 - y1];
                    for (plane, value) in bbox.into_iter().enumerate() {
                        boxes[plane * anchors + grid.first + cell] = value * stride;
                    }
                }
            }
            let classes = head.cls_logits(level, image).chunks_exact(cells);
            for (logits, scores) in classes.zip(scores.chunks_exact_mut(anchors)) {
                sigmoid(logits, &mut scores[grid.first..][..cells]);
            }
        }
    });
    Predictions { batch, num_classes, anchors, data }
}

/// The expected bin of one side at the cells `start..end`, from planes `[reg_max, cells]`.
fn expected_bins(planes: &[f32], cells: usize, start: usize, end: usize) -> [f32; BLOCK] {
    let mut highest = [f32::NEG_INFINITY; BLOCK];
    for plane in planes.chunks_exact(cells) {
        for (highest, &x) in highest.iter_mut().zip(&plane[start..end]) {
            *highest = if x > *highest { x } else { *highest };
        }
    }
    let (mut sum, mut weighted) = ([0.0f32; BLOCK], [0.0f32; BLOCK]);
    for (bin, plane) in planes.chunks_exact(cells).enumerate() {
        let bin = bin as f32;
        for (i, &x) in plane[start..end].iter().enumerate() {
            let p = exp_negative(x - highest[i]);
            sum[i] += p;
            weighted[i] += bin * p;
        }
    }
    std::array::from_fn(|i| weighted[i] / sum[i])
}
