//! [`Ciou`]: complete `IoU` of two boxes and its gradient, in f64.
//!
//! CIoU = `IoU` - rho²/c² - alpha v (Zheng et al., "Distance-`IoU` Loss", 2019): rho is the distance of the
//! centres, c the diagonal of the enclosing box, v the squared difference of the aspect angles, and alpha the
//! weight of v, which the gradient treats as a constant. The epsilon of 1e-7 is in the same places as in
//! Ultralytics 8.0.90: in both heights, the union, c² and alpha. One struct holds the terms that value and
//! gradient share. This module does not use anchors or weights.

use std::f64::consts::PI;

const EPSILON: f64 = 1e-7;

/// A box by its corners, in any unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Corners {
    pub(crate) x1: f64,
    pub(crate) y1: f64,
    pub(crate) x2: f64,
    pub(crate) y2: f64,
}

impl Corners {
    /// The box whose sides have the given distances to the left, top, right and bottom of a point.
    pub(crate) fn around((x, y): (f64, f64), [left, top, right, bottom]: [f64; 4]) -> Self {
        Self { x1: x - left, y1: y - top, x2: x + right, y2: y + bottom }
    }

    pub(crate) fn scaled(self, factor: f64) -> Self {
        Self { x1: self.x1 * factor, y1: self.y1 * factor, x2: self.x2 * factor, y2: self.y2 * factor }
    }
}

/// CIoU and its derivatives.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ciou {
    pub(crate) value: f64,
    /// Derivatives with respect to `x1, y1, x2, y2` of the first box.
    pub(crate) gradient: [f64; 4],
}

impl Ciou {
    /// Derivatives of 1 - CIoU with respect to the distances of the left, top, right and bottom side from a
    /// fixed point.
    ///
    /// The sign differs by side: 1 - CIoU falls as CIoU rises, and the left and top distances move their
    /// sides in the negative direction.
    pub(crate) fn loss_by_distance(&self) -> [f64; 4] {
        let [x1, y1, x2, y2] = self.gradient;
        [x1, y1, -x2, -y2]
    }
}

/// The terms of `IoU` and of the distance penalty.
struct Overlap {
    /// Width and height of the intersection; 0 if the boxes do not overlap.
    intersection: (f64, f64),
    union: f64,
    iou: f64,
    /// Width and height of the enclosing box.
    enclosing: (f64, f64),
    diagonal2: f64,
    /// Twice the offset of the centres, first minus second.
    offset: (f64, f64),
    distance2: f64,
}

impl Overlap {
    fn new(a: Corners, b: Corners) -> Self {
        let intersection =
            ((a.x2.min(b.x2) - a.x1.max(b.x1)).max(0.0), (a.y2.min(b.y2) - a.y1.max(b.y1)).max(0.0));
        let shared = intersection.0 * intersection.1;
        let area = |(w, h): (f64, f64)| w * h;
        let union = area(sides(a)) + area(sides(b)) - shared + EPSILON;
        let enclosing = (a.x2.max(b.x2) - a.x1.min(b.x1), a.y2.max(b.y2) - a.y1.min(b.y1));
        let offset = (a.x1 + a.x2 - b.x1 - b.x2, a.y1 + a.y2 - b.y1 - b.y2);
        Self {
            intersection,
            union,
            iou: shared / union,
            enclosing,
            diagonal2: enclosing.0 * enclosing.0 + enclosing.1 * enclosing.1 + EPSILON,
            offset,
            distance2: (offset.0 * offset.0 + offset.1 * offset.1) / 4.0,
        }
    }

    /// `IoU` minus the distance penalty; an upper bound of CIoU.
    fn distance_iou(&self) -> f64 {
        self.iou - self.distance2 / self.diagonal2
    }

    /// The weight of the aspect penalty `v`.
    fn alpha(&self, v: f64) -> f64 {
        v / (v - self.iou + (1.0 + EPSILON))
    }
}

fn sides(b: Corners) -> (f64, f64) {
    (b.x2 - b.x1, b.y2 - b.y1 + EPSILON)
}

/// Difference of the aspect angles, first minus second.
fn aspect_angle(a: Corners, b: Corners) -> f64 {
    let angle = |(w, h): (f64, f64)| (w / h).atan();
    angle(sides(a)) - angle(sides(b))
}

/// `max(CIoU, 0)`, the overlap by which the assigner ranks.
///
/// Skips the arc tangents if the result is 0 without them.
pub(crate) fn positive_ciou(a: Corners, b: Corners) -> f64 {
    let overlap = Overlap::new(a, b);
    let limit = overlap.distance_iou();
    if limit <= 0.0 {
        return 0.0;
    }
    let angle = aspect_angle(a, b);
    let v = 4.0 / (PI * PI) * angle * angle;
    (limit - overlap.alpha(v) * v).max(0.0)
}

/// CIoU of a predicted box and its target, and the gradient with respect to the predicted box.
pub(crate) fn ciou(predicted: Corners, target: Corners) -> Ciou {
    let overlap = Overlap::new(predicted, target);
    let angle = aspect_angle(predicted, target);
    let v = 4.0 / (PI * PI) * angle * angle;
    let alpha = overlap.alpha(v);
    let (w, h) = sides(predicted);
    let (iw, ih) = overlap.intersection;
    let (cw, ch) = overlap.enclosing;

    // In the order x1, y1, x2, y2: a side of the predicted box moves the intersection if it is the inner one,
    // and the enclosing box if it is the outer one.
    let sign = [-1.0, -1.0, 1.0, 1.0];
    let inner = [
        share(predicted.x1 - target.x1),
        share(predicted.y1 - target.y1),
        share(target.x2 - predicted.x2),
        share(target.y2 - predicted.y2),
    ];
    let across = [h, w, h, w];
    let intersection_across = [ih, iw, ih, iw];
    let enclosing_along = [cw, ch, cw, ch];
    let offset_along = [overlap.offset.0, overlap.offset.1, overlap.offset.0, overlap.offset.1];
    // Derivatives of v with respect to w and h, through atan(w / h).
    let angle_slope = 8.0 / (PI * PI) * angle / (w * w + h * h);
    let v_along = [angle_slope * h, -angle_slope * w, angle_slope * h, -angle_slope * w];

    let apart = iw <= 0.0 || ih <= 0.0;
    let gradient = std::array::from_fn(|i| {
        let shared = if apart { 0.0 } else { sign[i] * inner[i] * intersection_across[i] };
        let union = sign[i] * across[i] - shared;
        let iou = (shared - overlap.iou * union) / overlap.union;
        let distance2 = offset_along[i] / 2.0;
        let diagonal2 = 2.0 * enclosing_along[i] * sign[i] * (1.0 - inner[i]);
        let distance = (distance2 - overlap.distance2 / overlap.diagonal2 * diagonal2) / overlap.diagonal2;
        iou - distance - alpha * sign[i] * v_along[i]
    });
    Ciou { value: overlap.distance_iou() - alpha * v, gradient }
}

/// The derivative of `max(x, 0)`; one half at 0, as PyTorch splits the gradient of a tie.
fn share(x: f64) -> f64 {
    if x > 0.0 {
        1.0
    } else if x < 0.0 {
        0.0
    } else {
        0.5
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn corners(x1: f64, y1: f64, x2: f64, y2: f64) -> Corners {
        Corners { x1, y1, x2, y2 }
    }

    fn arb_box() -> impl Strategy<Value = Corners> {
        (0.0..10.0, 0.0..10.0, 0.5..12.0, 0.5..12.0).prop_map(|(x, y, w, h)| corners(x, y, x + w, y + h))
    }

    /// CIoU with fixed alpha, which is the function that the gradient differentiates.
    fn value_with_alpha(a: Corners, b: Corners, alpha: f64) -> f64 {
        let angle = aspect_angle(a, b);
        Overlap::new(a, b).distance_iou() - alpha * 4.0 / (PI * PI) * angle * angle
    }

    proptest! {
        /// Central differences with step 1e-6; absolute tolerance 1e-6, away from the kinks where two sides
        /// coincide.
        #[test]
        fn gradient_is_that_of_finite_differences(a in arb_box(), b in arb_box()) {
            let sides = [(a.x1, b.x1), (a.y1, b.y1), (a.x2, b.x2), (a.y2, b.y2), (a.x1, b.x2), (a.x2, b.x1),
                (a.y1, b.y2), (a.y2, b.y1)];
            prop_assume!(sides.iter().all(|(p, q)| (p - q).abs() > 1e-4));
            let angle = aspect_angle(a, b);
            let alpha = Overlap::new(a, b).alpha(4.0 / (PI * PI) * angle * angle);
            let analytic = ciou(a, b).gradient;
            let moved = |i: usize, by: f64| {
                let mut s = [a.x1, a.y1, a.x2, a.y2];
                s[i] += by;
                value_with_alpha(corners(s[0], s[1], s[2], s[3]), b, alpha)
            };
            for (i, analytic) in analytic.into_iter().enumerate() {
                let numeric = (moved(i, 1e-6) - moved(i, -1e-6)) / 2e-6;
                prop_assert!((analytic - numeric).abs() < 1e-6, "side {i}: {analytic} and {numeric}");
            }
        }

        #[test]
        fn positive_part_agrees_with_the_value(a in arb_box(), b in arb_box()) {
            prop_assert!((positive_ciou(a, b) - ciou(a, b).value.max(0.0)).abs() < 1e-12);
            prop_assert!((positive_ciou(a, b) - positive_ciou(b, a)).abs() < 1e-12);
            prop_assert!((ciou(a, a).value - 1.0).abs() < 1e-6);
        }
    }

    /// Computed by hand: 4 x 2 against 2 x 2 with the same top left corner. `IoU` 1/2; centres 1 apart,
    /// diagonal² 20; v = 4/pi² (atan 2 - atan 1)² = 0.0419571; alpha = v / (v + 1/2).
    #[test]
    fn known_value() {
        let v = 4.0 / (PI * PI) * (2.0f64.atan() - PI / 4.0).powi(2);
        let expected = 0.5 - 1.0 / 20.0 - v * v / (v + 0.5);
        let found = ciou(corners(0.0, 0.0, 4.0, 2.0), corners(0.0, 0.0, 2.0, 2.0)).value;
        assert!((found - expected).abs() < 1e-6, "{found} and {expected}");
    }

    #[test]
    fn boxes_apart_have_negative_ciou_and_still_a_gradient() {
        let result = ciou(corners(0.0, 0.0, 1.0, 1.0), corners(5.0, 0.0, 6.0, 1.0));
        assert!(result.value < 0.0);
        assert!(result.gradient[0] + result.gradient[2] > 0.0, "moving right must raise CIoU");
    }
}
