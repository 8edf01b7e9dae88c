//! [`ParityLimits`]: the largest allowed differences between an exported file and its checkpoint.

use bonsai_onnx::OnnxInfo;
use serde::{Deserialize, Serialize};

/// Lowest score of a box that a user would see; rounding may move boxes below it by any amount.
const SEEN: f32 = 0.25;

/// The largest allowed differences between a file and its checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ParityLimits {
    /// Difference of sides and centres of boxes, in pixels.
    pub box_px: f32,
    /// The same as a fraction of the longer side of the box: a larger difference in pixels is allowed for a
    /// large box.
    #[serde(default)]
    pub box_share: f32,
    /// Difference of scores.
    pub score: f32,
    /// Boxes with a lower score in the checkpoint are not compared, but their scores are.
    pub least_score: f32,
}

impl ParityLimits {
    /// For 32 bits: rounding from sums in another order over some sixty layers, as measured between five
    /// runtimes.
    pub const FP32: Self = Self { box_px: 1e-2, box_share: 0.0, score: 1e-4, least_score: 0.0 };
    /// For 16 bits: every layer keeps eleven bits of a value, an error of a thousandth. This adds up to about
    /// a hundredth of a score, and to a few pixels for a box of hundreds of pixels.
    pub const HALF: Self = Self { box_px: 4.0, box_share: 0.0, score: 0.03, least_score: SEEN };
    /// For 8 bits of a wire's range: a value in the middle of the range has an error of a hundredth. These
    /// limits separate broken files from imprecise ones: a box may be off by a quarter of its size. Only `val`
    /// shows the loss of accuracy, so a file beyond the limits gets a warning.
    pub const INT8: Self = Self { box_px: 4.0, box_share: 0.25, score: 0.35, least_score: SEEN };

    /// The largest difference, in pixels, of a box with this longer side.
    pub(crate) fn of_box(&self, longer: f32) -> f32 {
        self.box_px.max(self.box_share * longer)
    }

    /// Whether a file beyond the limits is refused.
    pub fn refuses(&self) -> bool {
        *self != Self::INT8
    }

    /// The limits for the arithmetic of a file, according to its own metadata and layers.
    pub fn from_info(info: &OnnxInfo) -> Self {
        let half = info.inputs.iter().any(|input| input.element == "FLOAT16")
            || info.get("args").is_some_and(|args| args.contains("'half': True"));
        if info.op_counts.contains_key("QuantizeLinear") {
            Self::INT8
        } else if half {
            Self::HALF
        } else {
            Self::FP32
        }
    }
}
