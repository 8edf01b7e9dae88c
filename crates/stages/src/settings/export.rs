//! [`ExportConfig`]: the ONNX files that a run writes.

use anyhow::Result;
use bonsai_tensorrt::EnginePrecision;
use serde::{Deserialize, Serialize};

use super::{COUNTS, check_range};

/// The precisions in which a run exports the baseline and the fine-tuned network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ExportConfig {
    /// Weights and arithmetic in 32 bits.
    pub fp32: bool,
    /// Weights and arithmetic in 16 bits, input and output in 32.
    pub fp16: bool,
    /// Convolutions in 8-bit integers.
    pub int8: bool,
    /// Number of training images that calibrate the 8-bit ranges; all images if there are fewer.
    pub calibration_images: usize,
}

impl Default for ExportConfig {
    /// All three precisions.
    fn default() -> Self {
        Self { fp32: true, fp16: true, int8: true, calibration_images: 128 }
    }
}

impl ExportConfig {
    /// The selected precisions.
    pub fn precisions(&self) -> Vec<EnginePrecision> {
        [
            (EnginePrecision::Fp32, self.fp32),
            (EnginePrecision::Fp16, self.fp16),
            (EnginePrecision::Int8, self.int8),
        ]
        .into_iter()
        .filter_map(|(precision, wanted)| wanted.then_some(precision))
        .collect()
    }
}

impl ExportConfig {
    /// Checks the ranges.
    ///
    /// # Errors
    /// Names the setting, its value and the range.
    pub fn check(&self) -> Result<()> {
        check_range("calibration_images", &self.calibration_images, COUNTS)
    }
}
