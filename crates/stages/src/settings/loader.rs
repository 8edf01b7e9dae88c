//! [`LoadingConfig`]: how batches are made.

use std::ops::RangeInclusive;

use anyhow::Result;
use bonsai_data::{Augment, MultiScale};
use serde::{Deserialize, Serialize};

use super::check_range;
use crate::ensure_usage;

/// Allowed numbers of background threads.
const WORKERS: RangeInclusive<usize> = 0..=256;

/// Allowed changes of the size of batches.
const SCALES: RangeInclusive<f64> = 0.0..=0.9;

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
    /// Whether training batches have images of similar shape on the smallest canvas for them. Mosaic, mixup, cutmix and
    /// the shuffling of epochs are then off, as in Ultralytics.
    pub rect: bool,
    /// Largest change of the size of training batches, as a fraction of the side of the images; 0 for none.
    pub multi_scale: f64,
}

impl Default for LoadingConfig {
    /// One worker (the network uses the other cores), half a gibibyte of decoded images, Ultralytics'
    /// augmentation.
    fn default() -> Self {
        Self {
            workers: 1,
            cache_bytes: 512 << 20,
            augment: Augment::default(),
            close_mosaic: 10,
            rect: false,
            multi_scale: 0.0,
        }
    }
}

impl LoadingConfig {
    /// Checks the ranges.
    ///
    /// # Errors
    /// Names the setting, its value and the range.
    pub fn check(&self) -> Result<()> {
        check_range("workers", &self.workers, WORKERS)?;
        check_range("multi_scale", &self.multi_scale, SCALES)?;
        let Augment { mixup, cutmix, .. } = self.augment;
        ensure_usage!(
            !self.rect || (mixup == 0.0 && cutmix == 0.0),
            "rect is true, mixup is {mixup} and cutmix {cutmix}, but images of different shapes are not combined: leave \
             mixup and cutmix out, or rect"
        );
        Ok(self.augment.check()?)
    }

    /// The random changes to training images; those that combine images are off with `rect`.
    pub fn trained_augment(&self) -> Augment {
        if self.rect { self.augment.without_mosaic() } else { self.augment }
    }

    /// How the size of training batches varies, for a network of this stride; `None` if it does not.
    pub fn scales(&self, stride: usize) -> Option<MultiScale> {
        (self.multi_scale > 0.0).then_some(MultiScale { fraction: self.multi_scale, stride })
    }

    /// The largest side of a training batch, for images of this side and a network of this stride.
    pub fn largest_side(&self, imgsz: usize, stride: usize) -> usize {
        self.scales(stride).map_or(imgsz, |scales| scales.largest(imgsz))
    }
}
