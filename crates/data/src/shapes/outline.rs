//! [`Outline`]: the outlines of all classes, a disc or polygons around an origin.
//!
//! Curves are polygons of many corners, so the box around the corners is exact. Points on the unit circle
//! come from its rational form, ((1 - t²) / (1 + t²), 2t / (1 + t²)): sums and quotients are the same on
//! every system, sines are not. The y axis points down.

use bonsai_boxes::Xyxy;
use tiny_skia::{Path, PathBuilder};

/// x and y.
pub(super) type Point = (f32, f32);

/// Shape of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Figure {
    Circle,
    Square,
    Triangle,
    Star,
    Hexagon,
    Cross,
    Ring,
    Crescent,
    Arrow,
    Heart,
}

/// Corners of a regular triangle on the unit circle.
const TRIANGLE: [Point; 3] = [(0.0, -1.0), (0.866_025_4, 0.5), (-0.866_025_4, 0.5)];

/// Corners of a square.
const SQUARE: [Point; 4] = [(-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0)];

/// Corners of a regular pentagon on the unit circle, point upwards.
const PENTAGON: [Point; 5] = [
    (0.0, -1.0),
    (0.951_056_5, -0.309_017),
    (0.587_785_25, 0.809_017),
    (-0.587_785_25, 0.809_017),
    (-0.951_056_5, -0.309_017),
];

/// Corners of a regular hexagon on the unit circle.
const HEXAGON: [Point; 6] = [
    (0.0, -1.0),
    (0.866_025_4, -0.5),
    (0.866_025_4, 0.5),
    (0.0, 1.0),
    (-0.866_025_4, 0.5),
    (-0.866_025_4, -0.5),
];

/// Corners of an upright cross with arms a third as wide as the whole.
const CROSS: [Point; 12] = [
    (-0.33, -1.0),
    (0.33, -1.0),
    (0.33, -0.33),
    (1.0, -0.33),
    (1.0, 0.33),
    (0.33, 0.33),
    (0.33, 1.0),
    (-0.33, 1.0),
    (-0.33, 0.33),
    (-1.0, 0.33),
    (-1.0, -0.33),
    (-0.33, -0.33),
];

/// Corners of an arrow that points upwards.
const ARROW: [Point; 7] =
    [(0.0, -1.0), (0.8, -0.1), (0.3, -0.1), (0.3, 1.0), (-0.3, 1.0), (-0.3, -0.1), (-0.8, -0.1)];

/// The right side of a heart, from its widest point to the tip.
const FLANK: [Point; 4] = [(0.97, 0.2), (0.84, 0.44), (0.5, 0.8), (0.0, 1.2)];

/// Radius of the inner corners of the class `star`, relative to that of its points.
const STAR_INNER: f32 = 0.42;

/// Radius of a ring's hole, relative to that of the ring.
const HOLE: f32 = 0.55;

/// Half the height of the inner edge of a crescent relative to that of the outer one.
const CRESCENT_INNER: f32 = 0.3;

/// Number of sides for a quarter of a curve. In the largest image, a side deviates from its arc by less than
/// half a pixel.
const QUARTER: usize = 32;

/// The outline of one object.
#[derive(Debug, Clone)]
pub(super) enum Outline {
    /// A disc of diameter 1.
    Disc,
    /// Corners of one or more closed polygons; polygons of opposite orientation are holes.
    Polygons(Vec<Vec<Point>>),
}

impl Outline {
    /// The outline of a figure, at an arbitrary size; no two figures have similar outlines.
    pub(super) fn from_figure(figure: Figure) -> Self {
        let polygon = match figure {
            Figure::Circle => return Self::Disc,
            Figure::Square => SQUARE.to_vec(),
            Figure::Triangle => TRIANGLE.to_vec(),
            Figure::Star => star(),
            Figure::Hexagon => HEXAGON.to_vec(),
            Figure::Cross => CROSS.to_vec(),
            Figure::Ring => return Self::Polygons(ring()),
            Figure::Crescent => crescent(),
            Figure::Arrow => ARROW.to_vec(),
            Figure::Heart => heart(),
        };
        Self::Polygons(vec![polygon])
    }

    /// The outline with every corner moved by `motion`. A disc stays as it is: motions only turn and scale
    /// it.
    pub(super) fn map(self, motion: impl Fn(Point) -> Point) -> Self {
        match self {
            Self::Disc => Self::Disc,
            Self::Polygons(polygons) => Self::Polygons(
                polygons.into_iter().map(|corners| corners.into_iter().map(&motion).collect()).collect(),
            ),
        }
    }

    /// The exact box around the outline.
    pub(super) fn bounds(&self) -> Xyxy {
        match self {
            Self::Disc => Xyxy { x1: -0.5, y1: -0.5, x2: 0.5, y2: 0.5 },
            Self::Polygons(polygons) => {
                let start = Xyxy {
                    x1: f32::INFINITY,
                    y1: f32::INFINITY,
                    x2: f32::NEG_INFINITY,
                    y2: f32::NEG_INFINITY,
                };
                polygons.iter().flatten().fold(start, |b, &(x, y)| Xyxy {
                    x1: b.x1.min(x),
                    y1: b.y1.min(y),
                    x2: b.x2.max(x),
                    y2: b.y2.max(y),
                })
            }
        }
    }

    /// The outline in pixels, with its origin at `at` and a unit of `size`; `None` if it has no area.
    pub(super) fn path(&self, at: Point, size: f32) -> Option<Path> {
        let (x, y) = at;
        match self {
            Self::Disc => PathBuilder::from_circle(x, y, size / 2.0),
            Self::Polygons(polygons) => {
                let mut path = PathBuilder::new();
                for corners in polygons {
                    for (index, corner) in corners.iter().enumerate() {
                        let px = x + size * corner.0;
                        let py = y + size * corner.1;
                        if index == 0 {
                            path.move_to(px, py);
                        } else {
                            path.line_to(px, py);
                        }
                    }
                    path.close();
                }
                path.finish()
            }
        }
    }
}

/// Points of the unit circle, from the right over the bottom, all the way round.
pub(super) fn circle() -> Vec<Point> {
    let quarter: Vec<Point> = (0..QUARTER)
        .map(|k| {
            let t = k as f32 / QUARTER as f32;
            let square = t * t;
            ((1.0 - square) / (1.0 + square), 2.0 * t / (1.0 + square))
        })
        .collect();
    let turns: [fn(Point) -> Point; 4] =
        [|(x, y)| (x, y), |(x, y)| (-y, x), |(x, y)| (-x, -y), |(x, y)| (y, -x)];
    turns.iter().flat_map(|turn| quarter.iter().copied().map(turn)).collect()
}

/// The upper half of the unit circle, from the left to the right.
fn upper_half() -> Vec<Point> {
    circle().into_iter().skip(2 * QUARTER).chain([(1.0, 0.0)]).collect()
}

fn star() -> Vec<Point> {
    (0..5)
        .flat_map(|k| {
            // The inner corner after each point lies opposite the third next point.
            let (x, y) = PENTAGON[(k + 3) % 5];
            [PENTAGON[k], (-x * STAR_INNER, -y * STAR_INNER)]
        })
        .collect()
}

fn ring() -> Vec<Vec<Point>> {
    let hole = circle().into_iter().rev().map(|(x, y)| (HOLE * x, HOLE * y)).collect();
    vec![circle(), hole]
}

/// A crescent: half a circle, and half an ellipse back.
fn crescent() -> Vec<Point> {
    let outer = upper_half();
    let inner: Vec<Point> =
        outer.iter().rev().skip(1).take(outer.len() - 2).map(|(x, y)| (*x, CRESCENT_INNER * y)).collect();
    outer.into_iter().chain(inner).collect()
}

/// Two half circles side by side above a tip.
fn heart() -> Vec<Point> {
    let lobe = |centre: f32| upper_half().into_iter().map(move |(x, y)| (centre + 0.5 * x, 0.5 * y));
    // The lobes share one point, and the tip belongs to both sides.
    let right = lobe(0.5).skip(1).chain(FLANK);
    let left = FLANK.into_iter().rev().skip(1).map(|(x, y)| (-x, y));
    lobe(-0.5).chain(right).chain(left).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn polygons(figure: Figure) -> Vec<Vec<Point>> {
        match Outline::from_figure(figure) {
            Outline::Disc => Vec::new(),
            Outline::Polygons(polygons) => polygons,
        }
    }

    /// Twice the area, positive where the corners turn clockwise on the screen.
    fn area(corners: &[Point]) -> f32 {
        let next = corners.iter().cycle().skip(1);
        corners.iter().zip(next).map(|(a, b)| a.0 * b.1 - b.0 * a.1).sum()
    }

    #[test]
    fn regular_corners_lie_on_the_unit_circle_evenly() {
        assert_eq!(circle().len(), 4 * QUARTER);
        assert!(circle().iter().all(|(x, y)| (x.hypot(*y) - 1.0).abs() < 1e-6));
        for corners in [TRIANGLE.as_slice(), &PENTAGON, &HEXAGON] {
            let sides = corners.iter().zip(corners.iter().cycle().skip(1));
            let lengths: Vec<f32> = sides.map(|(a, b)| (a.0 - b.0).hypot(a.1 - b.1)).collect();
            assert!(lengths.iter().all(|length| (length - lengths[0]).abs() < 1e-6), "{lengths:?}");
            assert!(corners.iter().all(|(x, y)| (x.hypot(*y) - 1.0).abs() < 1e-6));
        }
    }

    #[test]
    fn polygons_turn_one_way_holes_the_other_and_no_corner_is_there_twice() {
        for style in crate::shapes::ShapesStyle::ALL {
            for figure in style.look().figures {
                for (index, corners) in polygons(*figure).iter().enumerate() {
                    assert_eq!(area(corners) > 0.0, index == 0, "{figure:?}");
                    let next = corners.iter().cycle().skip(1);
                    let closest = corners.iter().zip(next).map(|(a, b)| (a.0 - b.0).hypot(a.1 - b.1));
                    assert!(closest.fold(f32::INFINITY, f32::min) > 0.001, "{figure:?}");
                }
            }
        }
    }
}
