//! [`Palette`]: the colours of a background.

use rand::{Rng, RngExt as _};

/// Red, green and blue in 0..=255.
pub(super) type Colour = [f32; 3];

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
