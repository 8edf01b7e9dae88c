//! [`field`]: textured backgrounds of value noise in several octaves between two colours.
//!
//! Value noise interpolates random values on a grid. Each octave is such a grid, with half the cell size and
//! a bit more than half the strength of the octave before. Together they have structure from a quarter of the
//! image down to 2 px.

use rand::{Rng, RngExt as _};

use super::colour::Colour;

/// Strength of an octave relative to the next coarser one.
const PERSISTENCE: f32 = 0.65;

/// Size of the finest cells in pixels.
const FINEST: f32 = 2.0;

/// The two colours that a background runs between.
#[derive(Debug, Clone, Copy)]
pub(super) struct Palette {
    pub(super) from: Colour,
    pub(super) to: Colour,
}

impl Palette {
    /// Largest difference between the two colours, per channel: the texture is visible, but leaves room for
    /// contrast.
    const SPREAD: f32 = 60.0;

    pub(super) fn random(rng: &mut impl Rng) -> Self {
        let from: Colour = std::array::from_fn(|_| rng.random_range(20.0f32..236.0));
        let to = from.map(|c| (c + rng.random_range(-Self::SPREAD..=Self::SPREAD)).clamp(0.0, 255.0));
        Self { from, to }
    }

    /// The colour at `t` in 0..=1.
    pub(super) fn mix(&self, t: f32) -> Colour {
        std::array::from_fn(|c| self.from[c] + (self.to[c] - self.from[c]) * t)
    }

    /// The colour of the background that is nearest to `colour`.
    pub(super) fn nearest(&self, colour: Colour) -> Colour {
        let axis = sub(self.to, self.from);
        let offset = sub(colour, self.from);
        let length = dot(axis, axis);
        self.mix(if length > 0.0 { (dot(offset, axis) / length).clamp(0.0, 1.0) } else { 0.0 })
    }

    /// Smallest Euclidean distance between `colour` and any colour of the background.
    pub(super) fn distance(&self, colour: Colour) -> f32 {
        let gap = sub(colour, self.nearest(colour));
        dot(gap, gap).sqrt()
    }
}

fn dot(a: Colour, b: Colour) -> f32 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

fn sub(a: Colour, b: Colour) -> Colour {
    std::array::from_fn(|c| a[c] - b[c])
}

/// A field of `side x side` values, row by row, scaled to the whole range 0..=1.
pub(super) fn field(side: u32, rng: &mut impl Rng) -> Vec<f32> {
    let pixels = side as usize * side as usize;
    let mut sum = vec![0.0; pixels];
    let mut cell = side as f32 / 4.0;
    let mut strength = 1.0;
    while cell >= FINEST {
        add_octave(&mut sum, side, cell, strength, rng);
        cell /= 2.0;
        strength *= PERSISTENCE;
    }
    let (low, high) = sum.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(l, h), v| (l.min(*v), h.max(*v)));
    let range = (high - low).max(f32::MIN_POSITIVE);
    for value in &mut sum {
        *value = (*value - low) / range;
    }
    sum
}

fn add_octave(sum: &mut [f32], side: u32, cell: f32, strength: f32, rng: &mut impl Rng) {
    let nodes = (side as f32 / cell) as usize + 2;
    let grid: Vec<f32> = (0..nodes * nodes).map(|_| rng.random::<f32>()).collect();
    let steps: Vec<(usize, f32)> = (0..side)
        .map(|pixel| {
            let position = pixel as f32 / cell;
            let fraction = position.fract();
            // Smoothstep: without it, the grid shows as creases.
            (position as usize, fraction * fraction * (3.0 - 2.0 * fraction))
        })
        .collect();
    let lerp = |a: f32, b: f32, t: f32| a + (b - a) * t;
    for (row, &(y, v)) in sum.chunks_exact_mut(side as usize).zip(&steps) {
        let upper = &grid[y * nodes..];
        let lower = &grid[(y + 1) * nodes..];
        for (value, &(x, u)) in row.iter_mut().zip(&steps) {
            let top = lerp(upper[x], upper[x + 1], u);
            let bottom = lerp(lower[x], lower[x + 1], u);
            *value += strength * lerp(top, bottom, v);
        }
    }
}
