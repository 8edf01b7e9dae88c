//! [`Taps`] and [`Tiles`]: which pixels the taps of the window read, for one pixel and for several neighbours
//! at once.

use crate::Window;

/// The taps of a pixel along one axis that are not in the padding: `first`, `first + step` and so on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Taps {
    pub(super) first: usize,
    pub(super) count: usize,
    pub(super) step: usize,
    /// Pixel on the other side at the first tap; the pixel of each further tap is `by` further.
    pub(super) at: usize,
    pub(super) by: isize,
}

/// Direction of a kernel: forward reads inputs for each output, backward reads output gradients for each
/// input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Forward,
    Backward,
}

impl Way {
    /// The taps of pixel `near` along `axis`; the other side has `far` pixels along it.
    pub(super) fn taps(self, window: &Window, axis: usize, near: usize, far: usize) -> Taps {
        let kernel = window.kernel[axis];
        let stride = window.stride[axis];
        let padding = window.padding[axis];
        match self {
            Self::Forward => {
                // Tap `t` reads input `near * stride + t - padding`.
                let start = near * stride;
                let first = padding.saturating_sub(start);
                let end = (far + padding).saturating_sub(start).min(kernel);
                let at = (start + first).saturating_sub(padding).min(far.saturating_sub(1));
                Taps { first, count: end.saturating_sub(first), step: 1, at, by: 1 }
            }
            Self::Backward => {
                // Tap `rest + j * stride` reads output `whole - j`.
                let whole = (near + padding) / stride;
                let rest = (near + padding) % stride;
                let skipped = (whole + 1).saturating_sub(far);
                let end = kernel.saturating_sub(rest).div_ceil(stride).min(whole + 1);
                let first = rest + skipped * stride;
                Taps { first, count: end.saturating_sub(skipped), step: stride, at: whole - skipped, by: -1 }
            }
        }
    }

    /// Distance between neighbours with the same taps, on this side and on the other side.
    fn steps(self, stride: usize) -> [usize; 2] {
        match self {
            Self::Forward => [1, stride],
            Self::Backward => [stride, 1],
        }
    }
}

/// Pixels of a row that have the same taps.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tile {
    /// The first pixel.
    pub(super) x: usize,
    /// Number of pixels: one of [`SIZES`].
    pub(super) pixels: usize,
    /// Taps of the first pixel; the taps of each further pixel lie [`Tiles::far_step`] further on the other
    /// side.
    pub(super) taps: Taps,
}

/// Number of pixels computed at once, so that a weight is read once for all of them; largest first.
const SIZES: [usize; 3] = [8, 4, 1];

/// A row divided into tiles.
#[derive(Debug, Clone)]
pub(super) struct Tiles {
    pub(super) all: Vec<Tile>,
    /// Distance between neighbouring pixels of a tile.
    pub(super) near_step: usize,
    /// Distance between their pixels on the other side.
    pub(super) far_step: usize,
}

impl Tiles {
    /// The tiles of a row of `near` pixels; rows of the other side have `far` pixels.
    pub(super) fn new(way: Way, window: &Window, near: usize, far: usize) -> Self {
        let [near_step, far_step] = way.steps(window.stride[1]);
        let mut all = Vec::new();
        for phase in 0..near_step.min(near) {
            let taps: Vec<Taps> =
                (phase..near).step_by(near_step).map(|x| way.taps(window, 1, x, far)).collect();
            let mut i = 0;
            while i < taps.len() {
                // The bounds of valid taps change monotonically along a row: taps that both ends have, all
                // pixels between have.
                let alike = |size: &&usize| {
                    let last = taps.get(i + **size - 1);
                    last.is_some_and(|t| (t.first, t.count) == (taps[i].first, taps[i].count))
                };
                let pixels = SIZES.iter().find(alike).copied().unwrap_or(1);
                all.push(Tile { x: phase + i * near_step, pixels, taps: taps[i] });
                i += pixels;
            }
        }
        Self { all, near_step, far_step }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn windows() -> Vec<Window> {
        let axis = [(1, 1, 0), (1, 2, 0), (3, 1, 1), (3, 2, 1), (5, 3, 2), (2, 3, 1), (4, 1, 0), (7, 2, 5)];
        axis.into_iter().map(|(k, s, p)| Window::square(k, s, p)).collect()
    }

    /// Tap and position of every pair, computed one tap at a time from the definition.
    fn asked(way: Way, window: &Window, near: usize, far: usize) -> Vec<(usize, usize)> {
        let other = |tap| match way {
            Way::Forward => window.input_of(1, near, tap, far),
            Way::Backward => window.output_of(1, near, tap, far),
        };
        (0..window.kernel[1]).filter_map(|tap| other(tap).map(|x| (tap, x))).collect()
    }

    #[test]
    fn tiles_hold_every_pixel_once_with_the_taps_of_the_definition() {
        for window in windows() {
            for size in [1, 2, 5, 8, 20, 41] {
                let Some(outputs) = window.output_size(1, size) else { continue };
                for (way, near, far) in [(Way::Forward, outputs, size), (Way::Backward, size, outputs)] {
                    let Tiles { all, near_step, far_step } = Tiles::new(way, &window, near, far);
                    let mut seen = Vec::new();
                    for Tile { x, pixels, taps } in all {
                        for i in 0..pixels {
                            seen.push(x + i * near_step);
                            let listed: Vec<_> = (0..taps.count)
                                .map(|j| {
                                    let other = (taps.at + i * far_step) as isize + j as isize * taps.by;
                                    (taps.first + j * taps.step, other.cast_unsigned())
                                })
                                .collect();
                            let expected = asked(way, &window, x + i * near_step, far);
                            assert_eq!(listed, expected, "{way:?} {window:?} of {size}");
                        }
                    }
                    seen.sort_unstable();
                    assert!(seen.into_iter().eq(0..near), "{way:?} {window:?} of {size}");
                }
            }
        }
    }
}
