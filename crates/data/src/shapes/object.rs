//! One drawn object: its outline in pixels, its exact box, its colour.

use bonsai_boxes::Xyxy;
use rand::{Rng, RngExt as _};
use tiny_skia::{FillRule, Paint, Path, PathBuilder, PixmapMut, Transform};

use super::noise::Palette;

/// Red, green and blue in 0..=255.
pub(super) type Colour = [f32; 3];

/// Least Euclidean distance, in RGB, between an object and every colour of its background.
pub(super) const CONTRAST: f32 = 110.0;

/// Corners of a regular pentagon on the unit circle, point upwards.
const PENTAGON: [(f32, f32); 5] = [
    (0.0, -1.0),
    (0.951_056_5, -0.309_017),
    (0.587_785_25, 0.809_017),
    (-0.587_785_25, 0.809_017),
    (-0.951_056_5, -0.309_017),
];

/// Corners of a regular triangle on the unit circle.
const TRIANGLE: [(f32, f32); 3] = [(0.0, -1.0), (0.866_025_4, 0.5), (-0.866_025_4, 0.5)];

/// Corners of a square.
const SQUARE: [(f32, f32); 4] = [(-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0)];

/// Radius of a star's inner corners relative to its points.
const STAR_INNER: f32 = 0.42;

#[derive(Debug, Clone)]
pub(super) enum Outline {
    Circle,
    /// Corners; one unit is the box's longer side.
    Polygon(Vec<(f32, f32)>),
}

/// An object without a place yet.
#[derive(Debug, Clone)]
pub(super) struct Object {
    pub(super) class_id: usize,
    outline: Outline,
    /// Bounds of the outline around its origin, the longer side being 1.
    bounds: Xyxy,
}

impl Object {
    /// An object of a class, turned by a random angle.
    pub(super) fn random(class_id: usize, rng: &mut impl Rng) -> Self {
        let (cos, sin) = random_direction(rng);
        let corners: Vec<(f32, f32)> = match class_id {
            0 => {
                let bounds = Xyxy { x1: -0.5, y1: -0.5, x2: 0.5, y2: 0.5 };
                return Self { class_id, outline: Outline::Circle, bounds };
            }
            1 => SQUARE.to_vec(),
            2 => TRIANGLE.to_vec(),
            _ => star(),
        };
        let turned: Vec<(f32, f32)> =
            corners.iter().map(|(x, y)| (x * cos - y * sin, x * sin + y * cos)).collect();
        let bounds = bounds(&turned);
        let unit = bounds.width().max(bounds.height());
        let scaled = turned.iter().map(|(x, y)| (x / unit, y / unit)).collect();
        let bounds =
            Xyxy { x1: bounds.x1 / unit, y1: bounds.y1 / unit, x2: bounds.x2 / unit, y2: bounds.y2 / unit };
        Self { class_id, outline: Outline::Polygon(scaled), bounds }
    }

    /// Puts the object at a random place inside an image of `side` pixels, its box's longer side being `size`.
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

/// An object with its place.
#[derive(Debug, Clone)]
pub(super) struct Placed {
    pub(super) class_id: usize,
    outline: Outline,
    size: f32,
    at: (f32, f32),
    /// Exact bounds in pixels.
    pub(super) bbox: Xyxy,
}

impl Placed {
    /// Fills the outline, with soft edges.
    pub(super) fn paint(&self, colour: Colour, canvas: &mut PixmapMut<'_>) {
        let mut paint = Paint { anti_alias: true, ..Paint::default() };
        let [r, g, b] = colour.map(|c| c as u8);
        paint.set_color_rgba8(r, g, b, 255);
        if let Some(path) = self.path() {
            canvas.fill_path(&path, &paint, FillRule::Winding, Transform::identity(), None);
        }
    }

    fn path(&self) -> Option<Path> {
        let (x, y) = self.at;
        match &self.outline {
            Outline::Circle => PathBuilder::from_circle(x, y, self.size / 2.0),
            Outline::Polygon(corners) => {
                let mut path = PathBuilder::new();
                for (index, corner) in corners.iter().enumerate() {
                    let (px, py) = (x + self.size * corner.0, y + self.size * corner.1);
                    if index == 0 {
                        path.move_to(px, py);
                    } else {
                        path.line_to(px, py);
                    }
                }
                path.close();
                path.finish()
            }
        }
    }
}

/// A random colour that stands out against the background.
pub(super) fn contrasting(background: &Palette, rng: &mut impl Rng) -> Colour {
    for _ in 0..32 {
        let colour: Colour = std::array::from_fn(|_| f32::from(rng.random::<u8>()));
        if background.distance(colour) >= CONTRAST {
            return colour;
        }
    }
    // The corner of the colour cube opposite the background's middle: at least 127 away from it in each channel,
    // while the background reaches no further than 30 from its middle.
    background.mix(0.5).map(|c| if c < 127.5 { 255.0 } else { 0.0 })
}

fn star() -> Vec<(f32, f32)> {
    (0..5)
        .flat_map(|k| {
            // The inner corner after a point lies opposite the point three further on.
            let (x, y) = PENTAGON[(k + 3) % 5];
            [PENTAGON[k], (-x * STAR_INNER, -y * STAR_INNER)]
        })
        .collect()
}

fn bounds(points: &[(f32, f32)]) -> Xyxy {
    let start = Xyxy { x1: f32::INFINITY, y1: f32::INFINITY, x2: f32::NEG_INFINITY, y2: f32::NEG_INFINITY };
    points.iter().fold(start, |b, &(x, y)| Xyxy {
        x1: b.x1.min(x),
        y1: b.y1.min(y),
        x2: b.x2.max(x),
        y2: b.y2.max(y),
    })
}

/// A random unit vector: a point in the unit disc, scaled. Square roots are exact everywhere, cosines are not.
fn random_direction(rng: &mut impl Rng) -> (f32, f32) {
    loop {
        let (x, y) = (rng.random_range(-1.0f32..=1.0), rng.random_range(-1.0f32..=1.0));
        let length = (x * x + y * y).sqrt();
        if (0.1..=1.0).contains(&length) {
            return (x / length, y / length);
        }
    }
}
