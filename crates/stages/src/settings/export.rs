//! Which ONNX files a run writes.

use anyhow::Result;
use bonsai_tensorrt::Precision;
use serde::{Deserialize, Serialize};

use super::{COUNTS, check_range};

/// The ONNX files of a run, of the baseline and of the fine-tuned network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ExportSettings {
    /// In 32 bits.
    pub fp32: bool,
    /// Weights and arithmetic in 16 bits, input and output in 32.
    pub fp16: bool,
    /// Convolutions on 8-bit integers.
    pub int8: bool,
    /// Training images on which the ranges for 8 bits are found; all of them where there are fewer.
    pub calibration_images: usize,
}

impl Default for ExportSettings {
    /// All of them.
    fn default() -> Self {
        Self { fp32: true, fp16: true, int8: true, calibration_images: 128 }
    }
}

impl ExportSettings {
    /// What is asked for.
    pub fn precisions(&self) -> Vec<Precision> {
        [(Precision::Fp32, self.fp32), (Precision::Fp16, self.fp16), (Precision::Int8, self.int8)]
            .into_iter()
            .filter_map(|(precision, wanted)| wanted.then_some(precision))
            .collect()
    }
}

impl ExportSettings {
    /// Checks the ranges.
    ///
    /// # Errors
    /// With the setting, its value and the range.
    pub fn check(&self) -> Result<()> {
        check_range("calibration_images", &self.calibration_images, COUNTS)
    }
}
