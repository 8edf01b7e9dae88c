//! [`ShapesStyle`]: styles of the drawn dataset, with number, figures, size and contrast of the objects.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use super::colour::Contrast;
use super::outline::Figure;

/// Content of the images, and how hard it is to detect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ShapesStyle {
    /// 1 to 3 large objects of 4 classes that always stand out: learned in a few hundred steps.
    #[default]
    Shapes,
    /// 12 to 30 small objects of 10 classes with low contrast; the longer side of a box is 0.035 to 0.13 of
    /// the image side. Two boxes overlap by at most 0.25 of the smaller one.
    Crowd,
    /// 2 to 5 large, squeezed objects of 6 classes among strokes, blobs and parts of polygons that are not
    /// objects; the longer side of a box is 0.2 to 0.5 of the image side. Some distractors hide parts of
    /// objects; boxes cover the whole object, of which at least 0.7 is visible.
    Clutter,
}

/// Parameters of the scenes of a style.
#[derive(Debug)]
pub(super) struct Look {
    /// Figures by class index.
    pub(super) figures: &'static [Figure],
    /// Number of objects.
    pub(super) count: RangeInclusive<usize>,
    /// Longer side of an object's box, as a fraction of the image side.
    pub(super) sizes: RangeInclusive<f32>,
    /// Number of sizes tried for one object before it is left out.
    pub(super) size_tries: usize,
    /// Largest intersection of two boxes, as a fraction of the smaller one.
    pub(super) overlap: f32,
    /// Contrast between an object and its background.
    pub(super) contrast: Contrast,
    /// Factor by which an object is squeezed along a random axis.
    pub(super) squeeze: Option<RangeInclusive<f32>>,
    /// Distractors drawn in addition to the objects.
    pub(super) distractors: Option<Distractors>,
}

/// Things that are not objects.
#[derive(Debug)]
pub(super) struct Distractors {
    /// Number of distractors under the objects.
    pub(super) under: RangeInclusive<usize>,
    /// Number of distractors tried over the objects; one that would hide too much is left out.
    pub(super) over: RangeInclusive<usize>,
    /// Smallest visible fraction of every object's area.
    pub(super) visible: f64,
}

/// Names of the classes of the style `shapes`, by class index.
pub const CLASS_NAMES: [&str; 4] = ["circle", "square", "triangle", "star"];

const CROWD_NAMES: [&str; 10] =
    ["circle", "square", "triangle", "star", "hexagon", "cross", "ring", "crescent", "arrow", "heart"];

const CLUTTER_NAMES: [&str; 6] = ["square", "triangle", "star", "hexagon", "cross", "heart"];

const SHAPES: Look = Look {
    figures: &[Figure::Circle, Figure::Square, Figure::Triangle, Figure::Star],
    count: 1..=3,
    sizes: 0.25..=0.5,
    size_tries: 1,
    overlap: 0.05,
    contrast: Contrast::AtLeast(110.0),
    squeeze: None,
    distractors: None,
};

const CROWD: Look = Look {
    figures: &[
        Figure::Circle,
        Figure::Square,
        Figure::Triangle,
        Figure::Star,
        Figure::Hexagon,
        Figure::Cross,
        Figure::Ring,
        Figure::Crescent,
        Figure::Arrow,
        Figure::Heart,
    ],
    count: 12..=30,
    sizes: 0.035..=0.13,
    size_tries: 1,
    overlap: 0.25,
    contrast: Contrast::Between(55.0, 100.0),
    squeeze: None,
    distractors: None,
};

const CLUTTER: Look = Look {
    figures: &[Figure::Square, Figure::Triangle, Figure::Star, Figure::Hexagon, Figure::Cross, Figure::Heart],
    count: 2..=5,
    sizes: 0.2..=0.5,
    // Next to a large object there is room only for a small one.
    size_tries: 10,
    overlap: 0.05,
    contrast: Contrast::Between(90.0, 140.0),
    squeeze: Some(0.85..=1.0),
    distractors: Some(Distractors { under: 3..=8, over: 1..=3, visible: 0.7 }),
};

impl ShapesStyle {
    /// All styles.
    pub const ALL: [Self; 3] = [Self::Shapes, Self::Crowd, Self::Clutter];

    /// The name of the style in configurations and in `data.yaml`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Shapes => "shapes",
            Self::Crowd => "crowd",
            Self::Clutter => "clutter",
        }
    }

    /// Names of the classes, by class index.
    pub fn class_names(self) -> &'static [&'static str] {
        match self {
            Self::Shapes => &CLASS_NAMES,
            Self::Crowd => &CROWD_NAMES,
            Self::Clutter => &CLUTTER_NAMES,
        }
    }

    pub(super) fn look(self) -> &'static Look {
        match self {
            Self::Shapes => &SHAPES,
            Self::Crowd => &CROWD,
            Self::Clutter => &CLUTTER,
        }
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}
