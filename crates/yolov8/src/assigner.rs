//! [`assign`]: task-aligned assignment of anchors to objects, with soft labels (Feng et al., "TOOD", 2021).
//!
//! An anchor is a candidate for an object if its centre lies strictly inside the object's box. Candidates are
//! ranked by `score^0.5 * CIoU^6` of the current prediction, and the best ten are assigned to the object. An
//! anchor that several objects chose goes to the object that it overlaps most, even if that object did not
//! choose it. The soft label of an anchor is its metric, scaled so that the best anchor of an object gets the
//! object's best overlap.
//!
//! The work is proportional to the number of candidates, not to anchors x objects, because the anchors inside
//! a box form a rectangle of each grid. On a tie the lower anchor and the earlier object win. Candidates with
//! a metric of 0 are never chosen; Ultralytics 8.0.90 may fill up the ten with them in undefined order, with
//! a soft label of 0. Assignment has no gradient, and this module computes no loss.

use rayon::prelude::*;

use crate::ciou::{Corners, positive_ciou};
use crate::distribution::Distribution;
use crate::grid::{Grid, HeadShape};
use crate::head::{HeadError, HeadOutput};
use crate::target::{Object, Target, objects_by_image};

/// Maximum number of anchors per object.
const TOP: usize = 10;
/// A centre on the border of a box is outside.
const INSIDE: f64 = 1e-9;
/// Keeps the scaling finite; also shrinks the labels of objects that no anchor fits (metrics near 1e-9).
const EPSILON: f64 = 1e-9;

/// An anchor that is assigned to an object.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Positive {
    /// The anchor's number, counted by level and then row by row.
    pub anchor: usize,
    /// The object's index in the list of targets.
    pub target: usize,
    /// The soft label of the object's class, above 0 and at most 1.
    pub score: f64,
}

/// The positive anchors of every image, in the order of the anchors.
///
/// # Errors
/// A target has an unknown image or class, or a box that is not finite.
pub fn assign(head: &HeadOutput, targets: &[Target]) -> Result<Vec<Vec<Positive>>, HeadError> {
    Ok(assign_objects(head, &objects_by_image(&HeadShape::from_head(head), targets)?))
}

/// As [`assign`], for targets that were already checked.
pub(crate) fn assign_objects(head: &HeadOutput, images: &[Vec<Object>]) -> Vec<Vec<Positive>> {
    let predictor = |image| HeadPredictor { head, image, distribution: Distribution::new(head.reg_max()) };
    assign_predictions(&Grid::from_head(head), images, predictor)
}

/// As [`assign_objects`], for the predictions of each image.
pub(crate) fn assign_predictions<P: Predictor>(
    grids: &[Grid],
    images: &[Vec<Object>],
    predictor: impl Fn(usize) -> P + Sync,
) -> Vec<Vec<Positive>> {
    let one = |(image, objects): (usize, &Vec<Object>)| assign_image(grids, objects, predictor(image));
    images.par_iter().enumerate().map(one).collect()
}

/// The current prediction; called for candidates only.
pub(crate) trait Predictor {
    /// The predicted box of a cell of a level, in pixels.
    fn bbox(&mut self, level: usize, grid: &Grid, cell: usize) -> Corners;
    /// The predicted score of a class, in 0..=1.
    fn score(&self, level: usize, grid: &Grid, cell: usize, class_id: usize) -> f64;
}

struct HeadPredictor<'a> {
    head: &'a HeadOutput<'a>,
    image: usize,
    distribution: Distribution,
}

impl Predictor for HeadPredictor<'_> {
    fn bbox(&mut self, level: usize, grid: &Grid, cell: usize) -> Corners {
        let planes = self.head.box_logits(level, self.image);
        let distances = self.distribution.read(planes, grid.h * grid.w, cell);
        Corners::around(grid.centre(cell), distances).scaled(grid.stride as f64)
    }

    fn score(&self, level: usize, grid: &Grid, cell: usize, class_id: usize) -> f64 {
        let logit = self.head.cls_logits(level, self.image)[class_id * grid.h * grid.w + cell];
        1.0 / (1.0 + (-f64::from(logit)).exp())
    }
}

/// The claims on one anchor while an image is assigned.
#[derive(Clone, Copy)]
struct Claim {
    /// Number of objects that chose this anchor.
    count: usize,
    /// The last object that chose it.
    chooser: usize,
    /// The object that the anchor overlaps most, with the overlap and the metric for that object.
    closest: usize,
    overlap: f64,
    metric: f64,
}

/// An anchor inside an object's box.
#[derive(Clone, Copy)]
struct Candidate {
    anchor: usize,
    overlap: f64,
    metric: f64,
}

fn assign_image(grids: &[Grid], objects: &[Object], mut predictor: impl Predictor) -> Vec<Positive> {
    if objects.is_empty() {
        return Vec::new();
    }
    let anchors = grids.iter().map(|g| g.h * g.w).sum();
    let mut boxes: Vec<Option<Corners>> = vec![None; anchors];
    let mut claims = vec![Claim { count: 0, chooser: 0, closest: 0, overlap: 0.0, metric: 0.0 }; anchors];
    let mut candidates = Vec::new();
    let mut chosen: Vec<Vec<Candidate>> = Vec::with_capacity(objects.len());

    for (index, object) in objects.iter().enumerate() {
        candidates.clear();
        for (level, grid) in grids.iter().enumerate() {
            for cell in cells_inside(grid, object.bbox) {
                let anchor = grid.first + cell;
                let bbox = *boxes[anchor].get_or_insert_with(|| predictor.bbox(level, grid, cell));
                let overlap = positive_ciou(object.bbox, bbox);
                // Also false for NaN, so a diverged network assigns nothing.
                if overlap > 0.0 {
                    let score = predictor.score(level, grid, cell, object.class_id);
                    let metric = score.sqrt() * overlap.powi(6);
                    let claim = &mut claims[anchor];
                    if overlap > claim.overlap {
                        (claim.closest, claim.overlap, claim.metric) = (index, overlap, metric);
                    }
                    if metric > 0.0 {
                        candidates.push(Candidate { anchor, overlap, metric });
                    }
                }
            }
        }
        let better =
            |a: &Candidate, b: &Candidate| b.metric.total_cmp(&a.metric).then(a.anchor.cmp(&b.anchor));
        if candidates.len() > TOP {
            candidates.select_nth_unstable_by(TOP - 1, better);
            candidates.truncate(TOP);
        }
        for candidate in &candidates {
            claims[candidate.anchor].count += 1;
            claims[candidate.anchor].chooser = index;
        }
        chosen.push(candidates.clone());
    }
    settle(objects, &claims, &chosen)
}

/// Assigns every chosen anchor to one object and scales the metrics to soft labels.
fn settle(objects: &[Object], claims: &[Claim], chosen: &[Vec<Candidate>]) -> Vec<Positive> {
    let mut won: Vec<(usize, Candidate)> = Vec::new();
    for (index, candidates) in chosen.iter().enumerate() {
        for candidate in candidates {
            let claim = claims[candidate.anchor];
            if claim.count == 1 {
                won.push((index, *candidate));
            } else if claim.chooser == index {
                // Several objects chose the anchor: handle it once, at the last of them.
                let Claim { closest, overlap, metric, .. } = claim;
                won.push((closest, Candidate { anchor: candidate.anchor, overlap, metric }));
            }
        }
    }
    let mut best = vec![(0.0f64, 0.0f64); objects.len()];
    for (object, candidate) in &won {
        let (metric, overlap) = &mut best[*object];
        *metric = metric.max(candidate.metric);
        *overlap = overlap.max(candidate.overlap);
    }
    let mut positives: Vec<Positive> = won
        .into_iter()
        .map(|(object, Candidate { anchor, metric, .. })| {
            let (best_metric, best_overlap) = best[object];
            let score = metric * best_overlap / (best_metric + EPSILON);
            Positive { anchor, target: objects[object].target, score }
        })
        .filter(|p| p.score > 0.0)
        .collect();
    positives.sort_unstable_by_key(|p| p.anchor);
    positives
}

/// The cells of a level whose centres lie strictly inside a box, row by row.
fn cells_inside(grid: &Grid, bbox: Corners) -> impl Iterator<Item = usize> + use<> {
    let stride = grid.stride as f64;
    let centre = move |i: usize| (i as f64 + 0.5) * stride;
    // The range is one cell too wide on each side; the test on the centre decides.
    let range = move |low: f64, high: f64, cells: usize| {
        let first = (low / stride - 1.0).max(0.0) as usize;
        let end = ((high / stride + 1.0).max(0.0) as usize).min(cells);
        let inside = move |i: &usize| centre(*i) - low > INSIDE && high - centre(*i) > INSIDE;
        (first..end).filter(inside)
    };
    let w = grid.w;
    let columns = range(bbox.x1, bbox.x2, w);
    range(bbox.y1, bbox.y2, grid.h).flat_map(move |y| columns.clone().map(move |x| y * w + x))
}

#[cfg(test)]
mod tests;
