#![doc = include_str!("../README.md")]

mod class_colour;

pub use class_colour::{CLASS_COLOURS, class_colour, text_colour};
use serde::{Deserialize, Serialize};

/// A box by its top-left and bottom-right corners.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Xyxy {
    /// Left edge.
    pub x1: f32,
    /// Top edge.
    pub y1: f32,
    /// Right edge.
    pub x2: f32,
    /// Bottom edge.
    pub y2: f32,
}

/// A box by its centre and size, the format of YOLO label files and head outputs.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Cxcywh {
    /// Centre, horizontally.
    pub cx: f32,
    /// Centre, vertically.
    pub cy: f32,
    /// Width.
    pub w: f32,
    /// Height.
    pub h: f32,
}

/// Distances from an anchor point to the four sides of a box.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Ltrb {
    /// To the left edge.
    pub left: f32,
    /// To the top edge.
    pub top: f32,
    /// To the right edge.
    pub right: f32,
    /// To the bottom edge.
    pub bottom: f32,
}

/// An object that a detector found.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Detection {
    /// The box, in pixels of the image that the context names.
    pub bbox: Xyxy,
    /// Confidence score of the class, in 0..=1.
    pub confidence: f32,
    /// Index into the class names.
    pub class_id: usize,
}

/// An object that a person marked.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct GroundTruth {
    /// The box, in the same unit as the detections it is compared with.
    pub bbox: Xyxy,
    /// Index into the class names.
    pub class_id: usize,
}

impl Xyxy {
    /// Width; negative for an inverted box.
    pub fn width(self) -> f32 {
        self.x2 - self.x1
    }

    /// Height; negative for an inverted box.
    pub fn height(self) -> f32 {
        self.y2 - self.y1
    }

    /// Area; 0 for an inverted box.
    pub fn area(self) -> f32 {
        self.width().max(0.0) * self.height().max(0.0)
    }

    /// Area of the part that both boxes cover.
    pub fn intersection(self, other: Self) -> f32 {
        Self {
            x1: self.x1.max(other.x1),
            y1: self.y1.max(other.y1),
            x2: self.x2.min(other.x2),
            y2: self.y2.min(other.y2),
        }
        .area()
    }

    /// Intersection over union, in 0..=1; 0 if both boxes are empty.
    pub fn iou(self, other: Self) -> f32 {
        let intersection = self.intersection(other);
        let union = self.area() + other.area() - intersection;
        if union > 0.0 { intersection / union } else { 0.0 }
    }

    /// The part of the box inside an image of `width` x `height`.
    #[must_use]
    pub fn clip(self, width: f32, height: f32) -> Self {
        Self {
            x1: self.x1.clamp(0.0, width),
            y1: self.y1.clamp(0.0, height),
            x2: self.x2.clamp(0.0, width),
            y2: self.y2.clamp(0.0, height),
        }
    }
}

impl From<Cxcywh> for Xyxy {
    fn from(b: Cxcywh) -> Self {
        let half_w = b.w / 2.0;
        let half_h = b.h / 2.0;
        Self { x1: b.cx - half_w, y1: b.cy - half_h, x2: b.cx + half_w, y2: b.cy + half_h }
    }
}

impl From<Xyxy> for Cxcywh {
    fn from(b: Xyxy) -> Self {
        Self { cx: f32::midpoint(b.x1, b.x2), cy: f32::midpoint(b.y1, b.y2), w: b.width(), h: b.height() }
    }
}

impl Ltrb {
    /// The box whose sides lie at these distances from the point (`x`, `y`).
    pub fn around(self, x: f32, y: f32) -> Xyxy {
        Xyxy { x1: x - self.left, y1: y - self.top, x2: x + self.right, y2: y + self.bottom }
    }

    /// The distances from the point (`x`, `y`) to the sides of `bbox`. A distance is negative if the point is
    /// outside that side.
    pub fn from_xyxy(bbox: Xyxy, x: f32, y: f32) -> Self {
        Self { left: x - bbox.x1, top: y - bbox.y1, right: bbox.x2 - x, bottom: bbox.y2 - y }
    }

    /// The smallest of the four distances; positive exactly if the point lies strictly inside the box.
    pub fn min(self) -> f32 {
        self.left.min(self.top).min(self.right).min(self.bottom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn arb_box() -> impl Strategy<Value = Xyxy> {
        (0.0f32..100.0, 0.0f32..100.0, 0.1f32..50.0, 0.1f32..50.0).prop_map(|(x, y, w, h)| Xyxy {
            x1: x,
            y1: y,
            x2: x + w,
            y2: y + h,
        })
    }

    proptest! {
        #[test]
        fn iou_is_symmetric_and_bounded(a in arb_box(), b in arb_box()) {
            prop_assert_eq!(a.iou(b), b.iou(a));
            prop_assert!((0.0..=1.0).contains(&a.iou(b)));
            prop_assert!((a.iou(a) - 1.0).abs() < 1e-6);
        }

        #[test]
        fn conversions_round_trip(a in arb_box(), x in 0.0f32..100.0, y in 0.0f32..100.0) {
            for b in [Xyxy::from(Cxcywh::from(a)), Ltrb::from_xyxy(a, x, y).around(x, y)] {
                prop_assert!((a.x1 - b.x1).abs() < 1e-4 && (a.y2 - b.y2).abs() < 1e-4);
            }
        }
    }

    #[test]
    fn empty_boxes_do_not_overlap() {
        assert_eq!(Xyxy::default().iou(Xyxy::default()), 0.0);
        let inverted = Xyxy { x1: 5.0, y1: 5.0, x2: 1.0, y2: 1.0 };
        assert_eq!(inverted.area(), 0.0);
        assert_eq!(Ltrb::from_xyxy(Xyxy { x1: 0.0, y1: 0.0, x2: 4.0, y2: 4.0 }, 4.0, 2.0).min(), 0.0);
    }
}
