//! [`CodeScale`] and [`weight_codes`]: 8-bit codes of activations and of weights.
//!
//! A code `q` from 0 to 255 stands for `scale * (q - zero_point)` (Jacob et al., 2018, arXiv 1712.05877).

use serde::{Deserialize, Serialize};

/// Scale and zero point of codes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CodeScale {
    /// Difference between the numbers of neighbouring codes; finite and positive.
    pub scale: f32,
    /// The code that stands for zero.
    pub zero_point: u8,
}

/// Number of steps between the lowest and the highest code.
const STEPS: f64 = 255.0;

impl CodeScale {
    /// The codes of an image with values from 0 to 1: its 8-bit pixels.
    pub const PIXELS: Self = Self { scale: 1.0 / 255.0, zero_point: 0 };

    /// The codes whose numbers cover `low` to `high` and contain zero exactly.
    ///
    /// The scale is `(high - low) / 255` after the range was widened to contain zero, and 1 if that is not a
    /// normal number.
    pub fn covering(low: f32, high: f32) -> Self {
        let low = f64::from(low.min(0.0));
        let high = f64::from(high.max(0.0));
        let scale = ((high - low) / STEPS) as f32;
        if !scale.is_normal() {
            return Self { scale: 1.0, zero_point: 0 };
        }
        let zero_point = (-low / f64::from(scale)).round_ties_even().clamp(0.0, STEPS) as u8;
        Self { scale, zero_point }
    }

    /// The number that a code stands for.
    pub fn number(self, code: u8) -> f64 {
        f64::from(self.scale) * (f64::from(code) - f64::from(self.zero_point))
    }

    /// The code for a number: the nearest one, halves to even.
    pub fn code(self, number: f64) -> u8 {
        (number / f64::from(self.scale) + f64::from(self.zero_point)).round_ties_even().clamp(0.0, STEPS)
            as u8
    }

    /// The code that replaces each code of `self` if `function` is applied to its number and the result is
    /// written in codes of `to`.
    pub fn table(self, to: Self, function: impl Fn(f64) -> f64) -> [u8; 256] {
        std::array::from_fn(|code| to.code(function(self.number(code as u8))))
    }
}

/// The scale of an output channel's weights and their codes from -127 to 127: the largest magnitude has code
/// 127. The scale is 1 if it would not be a normal number.
///
/// Weights that were rounded to their codes give the same scale and codes again.
pub fn weight_codes(channel: &[f32]) -> (f32, impl Iterator<Item = i8>) {
    let mut scale = channel.iter().fold(0.0f32, |largest, w| w.abs().max(largest)) / 127.0;
    // The largest rounded weight is 127 times the scale, rounded to `f32`; a seventh of all scales change by
    // that in the last bit. Two repetitions end at a scale that does not.
    for _ in 0..8 {
        scale = scale * 127.0 / 127.0;
    }
    let scale = if scale.is_normal() { scale } else { 1.0 };
    (scale, channel.iter().map(move |w| (w / scale).round_ties_even().clamp(-127.0, 127.0) as i8))
}

/// `x * sigmoid(x)`.
pub fn silu(x: f64) -> f64 {
    x / (1.0 + (-x).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_is_a_code_and_the_range_is_covered() {
        for (low, high) in [(-0.278, 6.3), (0.0, 1.0), (2.0, 3.0), (-5.0, -1.0), (-1e-3, 1e5), (0.0, 0.0)] {
            let codes = CodeScale::covering(low, high);
            assert!(codes.number(codes.zero_point) == 0.0);
            let half = 0.5001 * f64::from(codes.scale);
            assert!(codes.number(255) >= f64::from(high) - half, "{low} {high} {codes:?}");
            assert!(codes.number(0) <= f64::from(low) + half, "{low} {high} {codes:?}");
            for code in [0, 1, 77, 255] {
                assert_eq!(codes.code(codes.number(code)), code);
            }
        }
        assert_eq!(CodeScale::covering(0.0, f32::INFINITY).scale, 1.0);
        assert_eq!(CodeScale::PIXELS.code(1.0), 255);
    }

    #[test]
    fn the_largest_weight_of_a_channel_has_the_largest_code() {
        let codes = |channel: &[f32]| {
            let (scale, codes) = weight_codes(channel);
            (scale, codes.collect::<Vec<_>>())
        };
        assert_eq!(codes(&[1.0, -2.54]), (0.02, vec![50, -127]));
        assert_eq!(codes(&[0.0, 0.0]), (1.0, vec![0, 0]));
        assert_eq!(codes(&[1e-3, 127e-3]), (1e-3, vec![1, 127]));
        for i in 0..10_000u16 {
            let weights = [0.37, -1.0, 0.011].map(|w| w * (0.7 + f32::from(i) * 1.37e-4));
            let (scale, first) = codes(&weights);
            let rounded: Vec<f32> = first.iter().map(|code| scale * f32::from(*code)).collect();
            assert_eq!(codes(&rounded), (scale, first), "{weights:?}");
        }
    }
}
