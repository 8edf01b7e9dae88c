//! [`Perspective`]: moves, scales, turns, shears and tilts an image and its objects.
//!
//! The map is a 3 x 3 matrix `T S R P C` on homogeneous pixel coordinates: the centre of the image goes to
//! the origin (`C`), perspective (`P`), rotation and scale (`R`), shear (`S`), then to the (shifted) centre
//! of the canvas (`T`). Source: Ultralytics' `RandomPerspective`, as described by its formulas. Whether an
//! object is kept depends on its remaining size.

use bonsai_boxes::{GroundTruth, Xyxy};
use image::RgbImage;
use rand::{Rng, RngExt as _};

use crate::Augment;
use crate::matrix::{Matrix, inverse, multiply};
use crate::warp::warp;

/// Sides that an object must exceed to be kept, in pixels.
const MIN_SIDE: f32 = 2.0;
/// Ratio of the sides that an object must stay below.
const MAX_ASPECT: f32 = 100.0;
/// Fraction of its area that must remain of an object.
const MIN_AREA: f32 = 0.1;
/// Keeps divisions of empty boxes finite.
const EPSILON: f32 = 1e-16;

/// Random parameters of one [`Perspective`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Motion {
    /// Rotation in degrees, counter-clockwise.
    pub degrees: f64,
    /// Factor on the image size.
    pub scale: f64,
    /// Horizontal and vertical shear in degrees.
    pub shear: (f64, f64),
    /// Position of the image centre, as a fraction of the canvas; (0.5, 0.5) is the centre of the canvas.
    pub centre: (f64, f64),
    /// Horizontal and vertical perspective, in 1 / px.
    pub perspective: (f64, f64),
}

/// A map from one image to a canvas.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Perspective {
    matrix: Matrix,
    scale: f64,
    canvas: (u32, u32),
}

impl Motion {
    /// Draws a motion within the limits of `augment`.
    pub fn draw(augment: &Augment, rng: &mut impl Rng) -> Self {
        let mut around = |centre: f64, reach: f64| centre + rng.random_range(-1.0..=1.0) * reach;
        Self {
            perspective: (around(0.0, augment.perspective), around(0.0, augment.perspective)),
            degrees: around(0.0, augment.degrees),
            scale: around(1.0, augment.scale),
            shear: (around(0.0, augment.shear), around(0.0, augment.shear)),
            centre: (around(0.5, augment.translate), around(0.5, augment.translate)),
        }
    }
}

impl Perspective {
    /// The map of an image of `size` to a canvas, both `(width, height)` in pixels.
    pub fn new(motion: &Motion, size: (u32, u32), canvas: (u32, u32)) -> Self {
        let (sin, cos) = motion.degrees.to_radians().sin_cos();
        let sin = motion.scale * sin;
        let cos = motion.scale * cos;
        let shear_x = motion.shear.0.to_radians().tan();
        let shear_y = motion.shear.1.to_radians().tan();
        let half_w = f64::from(size.0) / 2.0;
        let half_h = f64::from(size.1) / 2.0;
        let (px, py) = motion.perspective;
        let tx = motion.centre.0 * f64::from(canvas.0);
        let ty = motion.centre.1 * f64::from(canvas.1);
        let steps: [Matrix; 4] = [
            [[1.0, shear_x, 0.0], [shear_y, 1.0, 0.0], [0.0, 0.0, 1.0]],
            [[cos, sin, 0.0], [-sin, cos, 0.0], [0.0, 0.0, 1.0]],
            [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [px, py, 1.0]],
            [[1.0, 0.0, -half_w], [0.0, 1.0, -half_h], [0.0, 0.0, 1.0]],
        ];
        let shift = [[1.0, 0.0, tx], [0.0, 1.0, ty], [0.0, 0.0, 1.0]];
        let matrix = steps.iter().fold(shift, |product, step| multiply(&product, step));
        Self { matrix, scale: motion.scale, canvas }
    }

    /// The matrix, by rows.
    pub const fn matrix(&self) -> &[[f64; 3]; 3] {
        &self.matrix
    }

    /// The canvas position of a point of the image.
    pub fn point(&self, x: f32, y: f32) -> (f32, f32) {
        let x = f64::from(x);
        let y = f64::from(y);
        let [u, v, w] = self.matrix.map(|row| row[0] * x + row[1] * y + row[2]);
        ((u / w) as f32, (v / w) as f32)
    }

    /// The objects on the canvas: the smallest box around the four mapped corners, clipped. An object is kept
    /// if the rest of it is over 2 px wide and high, over a tenth of its area at the new scale, and less than
    /// 100 times as long as wide.
    pub fn objects(&self, objects: &[GroundTruth]) -> Vec<GroundTruth> {
        let width = self.canvas.0 as f32;
        let height = self.canvas.1 as f32;
        let keep = |object: &GroundTruth| {
            let b = object.bbox;
            let corners =
                [(b.x1, b.y1), (b.x2, b.y2), (b.x1, b.y2), (b.x2, b.y1)].map(|(x, y)| self.point(x, y));
            let low =
                |pick: fn((f32, f32)) -> f32| corners.map(pick).into_iter().fold(f32::INFINITY, f32::min);
            let high =
                |pick: fn((f32, f32)) -> f32| corners.map(pick).into_iter().fold(f32::NEG_INFINITY, f32::max);
            let around = Xyxy { x1: low(|p| p.0), y1: low(|p| p.1), x2: high(|p| p.0), y2: high(|p| p.1) };
            let bbox = around.clip(width, height);
            let w = bbox.width();
            let h = bbox.height();
            let area = b.area() * (self.scale * self.scale) as f32;
            let aspect = (w / (h + EPSILON)).max(h / (w + EPSILON));
            let kept = w > MIN_SIDE && h > MIN_SIDE && w * h / (area + EPSILON) > MIN_AREA;
            (kept && aspect < MAX_ASPECT).then_some(GroundTruth { bbox, ..*object })
        };
        objects.iter().filter_map(keep).collect()
    }

    /// The image on the canvas: bilinear, with grey outside the image.
    pub fn image(&self, image: &RgbImage) -> RgbImage {
        warp(image, &inverse(&self.matrix), self.canvas)
    }
}
