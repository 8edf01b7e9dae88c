//! [`decode`]: converts head outputs to boxes and scores.
//!
//! A box is the anchor's centre and the four expected distances, times the stride; a score is the sigmoid of
//! its logit. The layout is that of an exported model's `output0`, so predictions of a training network, an
//! ONNX runtime and a TensorRT engine have one type. This module neither filters nor sorts; see `nms`.

use bonsai_boxes::Cxcywh;
use multiversion::multiversion;
use rayon::prelude::*;

use crate::grid::Grid;
use crate::head::{HeadError, HeadOutput};
use crate::sigmoid::{exp_negative, sigmoid};

/// Number of anchors that are decoded together.
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
    /// Wraps the data that a runtime returned for `output0`.
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

    /// Number of images.
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// Number of classes.
    pub fn num_classes(&self) -> usize {
        self.num_classes
    }

    /// Number of anchors per image.
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
    /// If there is no such anchor.
    pub fn bbox(&self, anchor: usize) -> Cxcywh {
        assert!(anchor < self.anchors, "anchor {anchor} of {}", self.anchors);
        let plane = |i: usize| self.planes[i * self.anchors + anchor];
        Cxcywh { cx: plane(0), cy: plane(1), w: plane(2), h: plane(3) }
    }

    /// The scores by class: one plane over the anchors per class.
    pub fn class_planes(&self) -> impl ExactSizeIterator<Item = &'a [f32]> + Clone {
        // `max(1)` avoids a panic without anchors; there are then no planes.
        self.planes[4 * self.anchors..].chunks_exact(self.anchors.max(1))
    }

    /// Every anchor's best class (the first on a tie) and its score.
    pub fn best(&self) -> impl ExactSizeIterator<Item = (usize, f32)> + use<> {
        let mut classes = vec![0u32; self.anchors];
        let mut scores = vec![f32::NEG_INFINITY; self.anchors];
        for (class_id, plane) in (0..).zip(self.class_planes()) {
            raise(&mut scores, &mut classes, plane, class_id);
        }
        classes.into_iter().map(|class_id| class_id as usize).zip(scores)
    }
}

/// Decodes a batch.
pub fn decode(head: &HeadOutput) -> Predictions {
    let batch = head.batch();
    let num_classes = head.num_classes();
    let anchors = head.anchors();
    let planes = 4 + num_classes;
    let mut data = vec![0.0; batch * planes * anchors];
    let grids = Grid::from_head(head);
    // Each plane is a task, so that one image keeps several threads busy.
    data.par_chunks_exact_mut(anchors).enumerate().for_each(|(index, plane)| {
        let image = index / planes;
        let index = index % planes;
        for (level, grid) in grids.iter().enumerate() {
            let cells = grid.h * grid.w;
            let values = &mut plane[grid.first..][..cells];
            if let Some(class) = index.checked_sub(4) {
                sigmoid(&head.cls_logits(level, image)[class * cells..][..cells], values);
            } else {
                let bins = head.reg_max() * cells;
                expected_bins(&head.box_logits(level, image)[index * bins..][..bins], values);
            }
        }
    });
    data.par_chunks_exact_mut(planes * anchors).for_each(|planes| {
        let (left, rest) = planes.split_at_mut(anchors);
        let (top, rest) = rest.split_at_mut(anchors);
        let (right, bottom) = rest.split_at_mut(anchors);
        for grid in &grids {
            let stride = grid.stride as f32;
            for cell in 0..grid.h * grid.w {
                let (x, y) = grid.centre(cell);
                let x = x as f32;
                let y = y as f32;
                let at = grid.first + cell;
                let x1 = x - left[at];
                let y1 = y - top[at];
                let x2 = x + right[at];
                let y2 = y + bottom[at];
                (left[at], top[at]) = (f32::midpoint(x1, x2) * stride, f32::midpoint(y1, y2) * stride);
                (right[at], bottom[at]) = ((x2 - x1) * stride, (y2 - y1) * stride);
            }
        }
    });
    Predictions { batch, num_classes, anchors, data }
}

/// Updates best score and class where the scores of a class are higher.
#[multiversion(targets("x86_64+avx+avx2+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx+avx2"))]
fn raise(best: &mut [f32], classes: &mut [u32], scores: &[f32], class_id: u32) {
    for ((best, class), &score) in best.iter_mut().zip(classes).zip(scores) {
        // Selections instead of a branch, so that the compiler vectorises the loop.
        let higher = score > *best;
        *best = if higher { score } else { *best };
        *class = if higher { class_id } else { *class };
    }
}

/// The expected bin of one side for every cell, from planes `[reg_max, cells]`.
#[multiversion(targets("x86_64+avx+avx2+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx+avx2"))]
fn expected_bins(planes: &[f32], expected: &mut [f32]) {
    let cells = expected.len();
    for (block, expected) in expected.chunks_mut(BLOCK).enumerate() {
        let range = block * BLOCK..block * BLOCK + expected.len();
        let mut highest = [f32::NEG_INFINITY; BLOCK];
        for plane in planes.chunks_exact(cells) {
            for (highest, &x) in highest.iter_mut().zip(&plane[range.clone()]) {
                *highest = if x > *highest { x } else { *highest };
            }
        }
        let mut sum = [0.0f32; BLOCK];
        let mut weighted = [0.0f32; BLOCK];
        for (bin, plane) in planes.chunks_exact(cells).enumerate() {
            let bin = bin as f32;
            let sums = sum.iter_mut().zip(&mut weighted).zip(&highest);
            for (((sum, weighted), highest), &x) in sums.zip(&plane[range.clone()]) {
                let p = exp_negative(x - highest);
                *sum += p;
                *weighted += bin * p;
            }
        }
        for ((expected, weighted), sum) in expected.iter_mut().zip(weighted).zip(sum) {
            *expected = weighted / sum;
        }
    }
}
