//! Hand-made cases with fixed predictions, so that every metric is known.

use proptest::prelude::*;

use super::*;

/// One level of 4 x 4 cells of 8 px: centres at 4, 12, 20, 28.
const GRID: Grid = Grid { h: 4, w: 4, stride: 8, first: 0 };

/// Every anchor predicts one of the given boxes, with one of the given scores.
struct Fixed<B, S>(B, S);

impl<B: Fn(usize) -> Corners, S: Fn(usize, usize) -> f64> Predictor for Fixed<B, S> {
    fn bbox(&mut self, _: usize, grid: &Grid, cell: usize) -> Corners {
        (self.0)(grid.first + cell)
    }

    fn score(&self, _: usize, grid: &Grid, cell: usize, class_id: usize) -> f64 {
        (self.1)(grid.first + cell, class_id)
    }
}

fn corners(x1: f64, y1: f64, x2: f64, y2: f64) -> Corners {
    Corners { x1, y1, x2, y2 }
}

fn objects(boxes: &[(usize, Corners)]) -> Vec<Object> {
    boxes.iter().enumerate().map(|(target, &(class_id, bbox))| Object { target, class_id, bbox }).collect()
}

fn anchors_of(positives: &[Positive], target: usize) -> Vec<usize> {
    positives.iter().filter(|p| p.target == target).map(|p| p.anchor).collect()
}

fn score_of(positives: &[Positive], anchor: usize) -> f64 {
    positives.iter().find(|p| p.anchor == anchor).map_or(0.0, |p| p.score)
}

/// Four centres lie inside; all predict the box exactly, with scores 1, 1/4, 1/16 and 0. Metrics are the
/// square roots 1, 1/2, 1/4 and 0, of which 0 is not chosen; the best overlap and the best metric are 1.
#[test]
fn single_object() {
    let bbox = corners(1.0, 1.0, 15.0, 15.0);
    let scores = [(0, 1.0), (1, 0.25), (4, 0.0625), (5, 0.0)];
    let score = |anchor, class| {
        assert_eq!(class, 2, "the assigner must read only the object's class");
        scores.iter().find(|s| s.0 == anchor).expect("the assigner must read only candidates").1
    };
    let positives = assign_image(&[GRID], &objects(&[(2, bbox)]), Fixed(|_| bbox, score));
    assert_eq!(anchors_of(&positives, 0), [0, 1, 4]);
    for (anchor, expected) in [(0, 1.0), (1, 0.5), (4, 0.25)] {
        assert!((score_of(&positives, anchor) - expected).abs() < 1e-6, "anchor {anchor}");
    }
}

/// The middle column of centres (x = 12) lies in both boxes, and its predictions equal the second box. The
/// first object chooses these anchors too, because their overlap is positive, but loses them.
#[test]
fn two_objects_share_anchors() {
    let left = corners(0.0, 0.0, 16.0, 8.0);
    let right = corners(8.0, 0.0, 24.0, 8.0);
    let bbox = |anchor| if anchor == 0 { left } else { right };
    let positives = assign_image(&[GRID], &objects(&[(0, left), (1, right)]), Fixed(bbox, |_, _| 1.0));
    assert_eq!(anchors_of(&positives, 0), [0]);
    assert_eq!(anchors_of(&positives, 1), [1, 2]);
    assert!(positives.iter().all(|p| (p.score - 1.0).abs() < 1e-6));
}

/// An anchor that two objects choose goes to a third that did not, if it overlaps that one most.
///
/// Anchors 0 to 11 fit the third object well with score 1, and the third object chooses ten of them. Anchor
/// 12 overlaps it equally, but has a score of 0.01 and is only its thirteenth; the other two objects choose
/// it.
#[test]
fn contested_anchor_goes_to_the_closest_even_unchosen() {
    let whole = corners(0.0, 0.0, 32.0, 32.0);
    let first = corners(0.0, 14.0, 14.0, 32.0);
    let second = corners(0.0, 14.5, 14.0, 32.0);
    let score = |anchor, class| match (anchor, class) {
        (12, 2) => 0.01,
        (0..=11, 2) | (12, _) => 1.0,
        _ => 0.0,
    };
    let positives = assign_image(
        &[GRID],
        &objects(&[(0, first), (1, second), (2, whole)]),
        Fixed(|_| corners(0.0, 1.0, 32.0, 32.0), score),
    );
    assert_eq!(anchors_of(&positives, 0), [0usize; 0]);
    assert_eq!(anchors_of(&positives, 1), [0usize; 0]);
    assert_eq!(anchors_of(&positives, 2), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 12]);
    assert!((score_of(&positives, 12) / score_of(&positives, 0) - 0.1).abs() < 1e-6);
}

#[test]
fn tiny_object_without_anchors() {
    let tiny = corners(5.0, 5.0, 11.0, 11.0);
    let found = assign_image(&[GRID], &objects(&[(0, tiny)]), Fixed(|_| tiny, |_, _| 1.0));
    assert_eq!(found, []);
}

/// All 16 anchors lie inside; scores rise with the anchor's number, so the last ten are chosen.
#[test]
fn ten_at_most() {
    let whole = corners(0.0, 0.0, 32.0, 32.0);
    let predictor = Fixed(|_| whole, |anchor, _| (anchor + 1) as f64 / 16.0);
    let positives = assign_image(&[GRID], &objects(&[(0, whole)]), predictor);
    assert_eq!(anchors_of(&positives, 0), [6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);
    assert!((score_of(&positives, 15) - 1.0).abs() < 1e-6);
    assert!((score_of(&positives, 6) - (7.0f64 / 16.0).sqrt()).abs() < 1e-6);
}

#[test]
fn ties_go_to_the_lower_anchor() {
    let whole = corners(0.0, 0.0, 32.0, 32.0);
    let positives = assign_image(&[GRID], &objects(&[(0, whole)]), Fixed(|_| whole, |_, _| 0.5));
    assert_eq!(anchors_of(&positives, 0), (0..10).collect::<Vec<_>>());
}

/// The sides run through the centres at 4 and 20, so only the centre at 12 is strictly inside.
#[test]
fn anchor_on_the_border_is_outside() {
    let bbox = corners(4.0, 4.0, 20.0, 20.0);
    let positives = assign_image(&[GRID], &objects(&[(0, bbox)]), Fixed(|_| bbox, |_, _| 1.0));
    assert_eq!(anchors_of(&positives, 0), [5]);
}

/// The predicted box overlaps the object partly, so the best anchor's label is the overlap and not 1.
#[test]
fn best_label_is_the_best_overlap() {
    let bbox = corners(0.0, 0.0, 16.0, 8.0);
    let predicted = corners(0.0, 0.0, 16.0, 9.0);
    let overlap = positive_ciou(bbox, predicted);
    let score = |anchor, _| if anchor == 0 { 0.5 } else { 0.125 };
    let positives = assign_image(&[GRID], &objects(&[(0, bbox)]), Fixed(|_| predicted, score));
    assert!((score_of(&positives, 0) - overlap).abs() < 1e-6);
    assert!((score_of(&positives, 1) - overlap / 2.0).abs() < 1e-6);
}

#[test]
fn levels_are_counted_through() {
    let coarse = Grid { h: 2, w: 2, stride: 16, first: 16 };
    let bbox = corners(1.0, 1.0, 15.0, 15.0);
    let positives = assign_image(&[GRID, coarse], &objects(&[(0, bbox)]), Fixed(|_| bbox, |_, _| 1.0));
    assert_eq!(anchors_of(&positives, 0), [0, 1, 4, 5, 16]);
}

#[test]
fn nothing_is_assigned_by_a_network_that_diverged() {
    let bbox = corners(1.0, 1.0, 15.0, 15.0);
    let nan = corners(f64::NAN, f64::NAN, f64::NAN, f64::NAN);
    assert_eq!(assign_image(&[GRID], &objects(&[(0, bbox)]), Fixed(|_| nan, |_, _| 1.0)), []);
    assert_eq!(assign_image(&[GRID], &objects(&[(0, bbox)]), Fixed(|_| bbox, |_, _| f64::NAN)), []);
}

proptest! {
    /// The rectangle of cells is exactly the set by definition, also for boxes outside the image.
    #[test]
    fn cells_are_those_inside(x in -20.0..40.0, y in -20.0..40.0, w in -4.0..40.0, h in -4.0..40.0) {
        let grid = Grid { h: 3, w: 5, stride: 8, first: 0 };
        let bbox = corners(x, y, x + w, y + h);
        let expected: Vec<usize> = (0..15)
            .filter(|&cell| {
                let (cx, cy) = grid.centre(cell);
                let cx = cx * 8.0;
                let cy = cy * 8.0;
                (cx - bbox.x1).min(cy - bbox.y1).min(bbox.x2 - cx).min(bbox.y2 - cy) > INSIDE
            })
            .collect();
        prop_assert_eq!(cells_inside(&grid, bbox).collect::<Vec<_>>(), expected);
    }
}
