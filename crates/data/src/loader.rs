//! [`Loader`]: makes batches of a split in background threads while the network is busy with earlier ones.
//!
//! Invariant: the batches of an epoch depend only on the split, the configuration's seed and the epoch, not
//! on the number of workers or their speed. Each sample draws from its own generator, seeded by seed, epoch
//! and sample.
//! The scan has decoded every image of a split. If an image can no longer be decoded or has another size, the
//! epoch ends with an error: a folder was moved or a disk fails, and continuing without the image would
//! change metrics silently.

use std::sync::Arc;

use crate::batch_assembler::BatchAssembler;
use crate::epoch::Epoch;
use crate::{DataError, LoaderConfig, Part, Split};

/// Largest change of the size of a batch.
const MOST_SCALE: f64 = 0.9;

/// Makes batches of a split. Cheap to clone; clones share the cache.
#[derive(Debug, Clone)]
pub struct Loader {
    assembler: Arc<BatchAssembler>,
}

impl Loader {
    /// Makes a loader for a split.
    ///
    /// # Errors
    /// [`DataError::Config`] for a batch of 0 images, an image side outside 1..=16384, `rect`, `canvas` or `part`
    /// with options that exclude them, or a value of `augment` or `multi_scale` out of range.
    pub fn new(split: impl Into<Arc<Split>>, config: LoaderConfig) -> Result<Self, DataError> {
        let wrong =
            |field, value: usize, expected| DataError::Config { field, value: value.to_string(), expected };
        if config.batch == 0 {
            return Err(wrong("batch", config.batch, "at least 1"));
        }
        let Ok(imgsz @ 1..=16384) = u32::try_from(config.imgsz) else {
            return Err(wrong("imgsz", config.imgsz, "between 1 and 16384 pixels"));
        };
        let combines = config.augment.is_some_and(|augment| augment.combines());
        if config.rect.is_some() && (config.shuffle || combines) {
            let field = "rect";
            let value = "on".to_owned();
            let expected = "off where images are shuffled or combined";
            return Err(DataError::Config { field, value, expected });
        }
        if config.rect.is_some_and(|stride| !(1..=1024).contains(&stride)) {
            return Err(wrong("rect", config.rect.unwrap_or(0), "a stride between 1 and 1024 pixels"));
        }
        if let Some(Part { number, of }) = config.part {
            let field = "part";
            let value = format!("{number} of {of}");
            if number >= of {
                let expected = "a number below the number of parts";
                return Err(DataError::Config { field, value, expected });
            }
            if config.rect.is_some() {
                let expected = "left out where `rect` chooses the images of a batch";
                return Err(DataError::Config { field, value, expected });
            }
        }
        if let Some((w, h)) = config.canvas {
            let value = format!("{w} x {h}");
            if config.rect.is_some() || config.augment.is_some() {
                let expected = "left out where `rect` or `augment` choose canvases";
                return Err(DataError::Config { field: "canvas", value, expected });
            }
            if !(1..=16384).contains(&w) || !(1..=16384).contains(&h) {
                return Err(DataError::Config {
                    field: "canvas",
                    value,
                    expected: "sides of 1 to 16384 pixels",
                });
            }
        }
        if let Some(scale) = config.multi_scale {
            if !(0.0..=MOST_SCALE).contains(&scale.fraction) {
                let value = scale.fraction.to_string();
                return Err(DataError::Config { field: "multi_scale", value, expected: "between 0 and 0.9" });
            }
            if !(1..=1024).contains(&scale.stride) {
                return Err(wrong("multi_scale.stride", scale.stride, "a stride between 1 and 1024 pixels"));
            }
        }
        if let Some(augment) = &config.augment {
            augment.check()?;
        }
        Ok(Self { assembler: Arc::new(BatchAssembler::new(split.into(), config, imgsz)) })
    }

    /// The split that the batches are made from.
    pub fn split(&self) -> &Split {
        self.assembler.split()
    }

    /// The configuration.
    pub fn config(&self) -> &LoaderConfig {
        &self.assembler.config
    }

    /// Number of batches in an epoch.
    pub fn batches(&self) -> usize {
        let samples = self.split().samples.len();
        let own = self.assembler.config.part.map_or(samples, |part| part.len(samples));
        own.div_ceil(self.assembler.config.batch)
    }

    /// Starts preparing the batches of an epoch. Dropping the iterator stops the preparation.
    pub fn epoch(&self, epoch: u64) -> Epoch {
        self.epoch_from(epoch, 0)
    }

    /// The same without the first `first` batches: the rest of an epoch that was interrupted after them.
    pub fn epoch_from(&self, epoch: u64, first: usize) -> Epoch {
        Epoch::start(&self.assembler, epoch, first, self.batches())
    }

    /// Bytes of decoded images that are now kept in memory; never above [`LoaderConfig::cache_bytes`].
    pub fn cached_bytes(&self) -> u64 {
        self.assembler.cached_bytes()
    }
}
