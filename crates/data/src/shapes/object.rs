//! [`Object`] and [`Placed`]: one drawn object, with its outline in pixels and its exact box.

use std::ops::RangeInclusive;

use bonsai_boxes::Xyxy;
use rand::{Rng, RngExt as _};
use tiny_skia::{FillRule, Paint, Path, PixmapMut, Transform};

use super::outline::{Figure, Outline, Point};
use super::palette::Colour;

/// An object without a position.
#[derive(Debug, Clone)]
pub(super) struct Object {
    pub(super) class_id: usize,
    outline: Outline,
    /// Bounds of the outline around its origin; the longer side is 1.
    bounds: Xyxy,
}

impl Object {
    /// An object of a class: squeezed along a random axis if there is a range of factors, then turned by a
    /// random angle.
    pub(super) fn random(
        class_id: usize,
        figure: Figure,
        squeeze: Option<&RangeInclusive<f32>>,
        rng: &mut impl Rng,
    ) -> Self {
        let mut outline = Outline::from_figure(figure);
        if let Some(factors) = squeeze {
            let factor = rng.random_range(factors.clone());
            let direction = random_direction(rng);
            outline = outline.map(|corner| {
                let (x, y) = turn(corner, direction);
                (x, factor * y)
            });
        }
        let direction = random_direction(rng);
        let turned = outline.map(|corner| turn(corner, direction));
        let bounds = turned.bounds();
        let unit = bounds.width().max(bounds.height());
        let outline = turned.map(|(x, y)| (x / unit, y / unit));
        let bounds =
            Xyxy { x1: bounds.x1 / unit, y1: bounds.y1 / unit, x2: bounds.x2 / unit, y2: bounds.y2 / unit };
        Self { class_id, outline, bounds }
    }

    /// Puts the object at a random position inside an image of `side` pixels; the longer side of its box
    /// becomes `size`.
    pub(super) fn place(&self, size: f32, side: f32, rng: &mut impl Rng) -> Placed {
        // One pixel of margin keeps anti-aliased edges inside.
        let mut along = |low: f32, high: f32| {
            rng.random_range(1.0f32..=(side - 1.0 - size * (high - low)).max(1.0)) - size * low
        };
        let x = along(self.bounds.x1, self.bounds.x2);
        let y = along(self.bounds.y1, self.bounds.y2);
        let bbox = Xyxy {
            x1: x + size * self.bounds.x1,
            y1: y + size * self.bounds.y1,
            x2: x + size * self.bounds.x2,
            y2: y + size * self.bounds.y2,
        };
        Placed { class_id: self.class_id, outline: self.outline.clone(), size, at: (x, y), bbox }
    }
}

/// An object with its position.
#[derive(Debug, Clone)]
pub(super) struct Placed {
    pub(super) class_id: usize,
    outline: Outline,
    size: f32,
    at: Point,
    /// Exact bounds in pixels.
    pub(super) bbox: Xyxy,
}

impl Placed {
    /// Fills the outline, with anti-aliased edges.
    pub(super) fn paint(&self, colour: Colour, canvas: &mut PixmapMut<'_>) {
        if let Some(path) = self.path() {
            fill(&path, colour, canvas);
        }
    }

    /// The outline in pixels.
    pub(super) fn path(&self) -> Option<Path> {
        self.outline.path(self.at, self.size)
    }
}

/// Fills a path in pixels, with anti-aliased edges.
pub(super) fn fill(path: &Path, colour: Colour, canvas: &mut PixmapMut<'_>) {
    let mut paint = Paint { anti_alias: true, ..Paint::default() };
    let [r, g, b] = colour.map(|c| c as u8);
    paint.set_color_rgba8(r, g, b, 255);
    canvas.fill_path(path, &paint, FillRule::Winding, Transform::identity(), None);
}

/// The point turned by the angle whose cosine and sine are `direction`.
pub(super) fn turn((x, y): Point, (cos, sin): Point) -> Point {
    (x * cos - y * sin, x * sin + y * cos)
}

/// A random unit vector: a point in the unit disc, normalised. Square roots are exact on every system,
/// cosines are not.
pub(super) fn random_direction(rng: &mut impl Rng) -> Point {
    loop {
        let x = rng.random_range(-1.0f32..=1.0);
        let y = rng.random_range(-1.0f32..=1.0);
        let length = (x * x + y * y).sqrt();
        if (0.1..=1.0).contains(&length) {
            return (x / length, y / length);
        }
    }
}
