//! [`Distractor`]: strokes, arcs, outlines, blobs and parts of polygons, which are not objects.
//!
//! They have the corners and colours of objects, so that neither an edge nor a colour identifies an object.
//! No cubic curve is used, because the rasteriser computes a cosine to split one.

use std::ops::RangeInclusive;

use rand::{Rng, RngExt as _};
use tiny_skia::{LineCap, LineJoin, Path, PathBuilder, PixmapMut, Stroke};

use super::object::{fill, random_direction, turn};
use super::outline::{Figure, Outline, Point, circle};
use super::palette::Colour;

/// Length of a stroked distractor, as a fraction of the image side.
const LENGTHS: RangeInclusive<f32> = 0.15..=0.55;
/// Width of a stroke, as a fraction of the image side.
const WIDTHS: RangeInclusive<f32> = 0.008..=0.035;
/// Diameter of a filled distractor, as a fraction of the image side.
const DIAMETERS: RangeInclusive<f32> = 0.06..=0.24;

/// Kinds of distractors.
#[derive(Debug, Clone, Copy)]
enum Kind {
    /// A straight or bent stroke.
    Stroke,
    /// Part of the outline of an ellipse.
    Arc,
    /// Some sides of a polygon.
    OpenOutline,
    /// A filled shape without corners.
    Blob,
    /// The part of a polygon on one side of a line.
    PartialPolygon,
    /// A filled ellipse.
    Ellipse,
}

const KINDS: [Kind; 6] =
    [Kind::Stroke, Kind::Arc, Kind::OpenOutline, Kind::Blob, Kind::PartialPolygon, Kind::Ellipse];

/// One drawn thing that is not an object.
#[derive(Debug, Clone)]
pub(super) struct Distractor {
    /// The filled path, in pixels.
    pub(super) path: Path,
    pub(super) colour: Colour,
}

impl Distractor {
    /// A distractor around `centre`, in pixels, in an image of `side` pixels; `None` if its outline has no
    /// area.
    pub(super) fn random(
        figures: &[Figure],
        centre: Point,
        side: f32,
        colour: Colour,
        rng: &mut impl Rng,
    ) -> Option<Self> {
        let kind = KINDS[rng.random_range(0..KINDS.len())];
        let (points, closed) = match kind {
            Kind::Stroke => (bend(rng), false),
            Kind::Arc => (arc(rng), false),
            Kind::OpenOutline => (part(&corners(figures, rng), rng), false),
            Kind::PartialPolygon => (part(&corners(figures, rng), rng), true),
            Kind::Blob | Kind::Ellipse => (round(matches!(kind, Kind::Blob), rng), true),
        };
        let size = rng.random_range(if closed { DIAMETERS } else { LENGTHS }) * side / 2.0;
        let direction = random_direction(rng);
        let mut path = PathBuilder::new();
        for (index, point) in points.iter().enumerate() {
            let (x, y) = turn(*point, direction);
            let x = centre.0 + size * x;
            let y = centre.1 + size * y;
            if index == 0 {
                path.move_to(x, y);
            } else {
                path.line_to(x, y);
            }
        }
        if closed {
            path.close();
        }
        let outline = path.finish()?;
        let path = if closed {
            outline
        } else {
            let width = rng.random_range(WIDTHS) * side;
            let stroke =
                Stroke { width, line_cap: LineCap::Round, line_join: LineJoin::Round, ..Stroke::default() };
            outline.stroke(&stroke, 1.0)?
        };
        Some(Self { path, colour })
    }

    /// Fills the path, with anti-aliased edges.
    pub(super) fn paint(&self, canvas: &mut PixmapMut<'_>) {
        fill(&self.path, self.colour, canvas);
    }
}

/// A line between the left and right points of the unit circle, bent by up to half its own length.
fn bend(rng: &mut impl Rng) -> Vec<Point> {
    const SIDES: usize = 24;
    let height = if rng.random::<bool>() { rng.random_range(-1.0f32..=1.0) } else { 0.0 };
    (0..=SIDES)
        .map(|k| {
            let x = 2.0 * k as f32 / SIDES as f32 - 1.0;
            (x, height * (1.0 - x * x))
        })
        .collect()
}

/// A quarter to three quarters of an ellipse.
fn arc(rng: &mut impl Rng) -> Vec<Point> {
    let whole = circle();
    let flat = rng.random_range(0.5f32..=1.0);
    let count = rng.random_range(whole.len() / 4..=3 * whole.len() / 4);
    let first = rng.random_range(0..whole.len());
    whole.iter().cycle().skip(first).take(count).map(|(x, y)| (*x, flat * y)).collect()
}

/// Corners of a random figure, on or inside the unit circle.
fn corners(figures: &[Figure], rng: &mut impl Rng) -> Vec<Point> {
    match Outline::from_figure(figures[rng.random_range(0..figures.len())]) {
        Outline::Disc => circle(),
        Outline::Polygons(polygons) => polygons.into_iter().next().unwrap_or_default(),
    }
}

/// About half of a polygon's corners, in order; at least three.
fn part(corners: &[Point], rng: &mut impl Rng) -> Vec<Point> {
    let count = (corners.len() * rng.random_range(40..=60) / 100).max(3);
    let first = rng.random_range(0..corners.len());
    corners.iter().cycle().skip(first).take(count).copied().collect()
}

/// An ellipse, or an ellipse with up to three bulges and dents.
fn round(uneven: bool, rng: &mut impl Rng) -> Vec<Point> {
    let flat = rng.random_range(0.45f32..=1.0);
    let strength = if uneven { rng.random_range(0.15f32..=0.35) } else { 0.0 };
    let twice = random_direction(rng);
    let thrice = random_direction(rng);
    circle()
        .into_iter()
        .map(|(x, y)| {
            // Cosines of two and three times the angle, as polynomials in the cosine and sine of the angle.
            let x2 = x * x - y * y;
            let y2 = 2.0 * x * y;
            let x3 = x2 * x - y2 * y;
            let y3 = x2 * y + y2 * x;
            let bulge = x2 * twice.0 + y2 * twice.1 + x3 * thrice.0 + y3 * thrice.1;
            let radius = 1.0 + strength * bulge;
            (radius * x, flat * radius * y)
        })
        .collect()
}
