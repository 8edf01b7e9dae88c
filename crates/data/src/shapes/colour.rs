//! [`Contrast`]: draws colours that differ from a background by a given distance.

use rand::{Rng, RngExt as _};

use super::palette::{Colour, Palette};

/// Colours tried before the fallback that always fits.
const TRIES: usize = 32;

/// Euclidean distance, in RGB, between a colour and the nearest colour of its background.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Contrast {
    /// This distance or more.
    AtLeast(f32),
    /// A distance between the two, uniformly distributed; the second is at most 120.
    Between(f32, f32),
}

impl Contrast {
    /// Draws a colour.
    pub(super) fn colour(self, background: &Palette, rng: &mut impl Rng) -> Colour {
        match self {
            Self::AtLeast(least) => far(background, least, rng),
            Self::Between(low, high) => {
                let distance = rng.random_range(low..=high);
                let there = far(background, distance, rng);
                let foot = background.nearest(there);
                // `foot` is the nearest background colour for the whole way to `there`, so the distance grows
                // linearly.
                let share = distance / background.distance(there);
                std::array::from_fn(|c| foot[c] + (there[c] - foot[c]) * share)
            }
        }
    }
}

/// A random colour at least as far from the background as `least`, which must not exceed 120.
fn far(background: &Palette, least: f32, rng: &mut impl Rng) -> Colour {
    for _ in 0..TRIES {
        let colour: Colour = std::array::from_fn(|_| f32::from(rng.random::<u8>()));
        if background.distance(colour) >= least {
            return colour;
        }
    }
    // The corner of the colour cube opposite the background's middle: at least 127 away from it in each
    // channel, while the background reaches no further than 30 from its middle.
    background.mix(0.5).map(|c| if c < 127.5 { 255.0 } else { 0.0 })
}
