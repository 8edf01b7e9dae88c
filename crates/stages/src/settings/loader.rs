//! [`LoadingConfig`]: how batches are made.

use std::ops::RangeInclusive;

use anyhow::Result;
use bonsai_data::Augment;
use serde::{Deserialize, Serialize};

use super::check_range;

/// Allowed numbers of background threads.
const WORKERS: RangeInclusive<usize> = 0..=256;

/// How batches are made.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LoadingConfig {
    /// Background threads that prepare batches.
    pub workers: usize,
    /// Maximum bytes of decoded images kept between epochs.
    pub cache_bytes: u64,
    /// Random changes to training images.
    pub augment: Augment,
    /// Number of last epochs of a training without mosaic, mixup and cutmix, so that images are shown whole.
    pub close_mosaic: usize,
}

impl Default for LoadingConfig {
    /// One worker (the network uses the other cores), half a gibibyte of decoded images, Ultralytics'
    /// augmentation.
    fn default() -> Self {
        Self { workers: 1, cache_bytes: 512 << 20, augment: Augment::default(), close_mosaic: 10 }
    }
}

impl LoadingConfig {
    /// Checks the ranges.
    ///
    /// # Errors
    /// Names the setting, its value and the range.
    pub fn check(&self) -> Result<()> {
        check_range("workers", &self.workers, WORKERS)?;
        Ok(self.augment.check()?)
    }
}
