//! [`field`]: textured backgrounds of value noise in several octaves between two colours.
//!
//! Value noise interpolates random values on a grid. Each octave is such a grid, with half the cell size and
//! a bit more than half the strength of the octave before. Together they have structure from a quarter of the
//! image down to 2 px.

use rand::{Rng, RngExt as _};

/// Strength of an octave relative to the next coarser one.
const PERSISTENCE: f32 = 0.65;

/// Size of the finest cells in pixels.
const FINEST: f32 = 2.0;

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
