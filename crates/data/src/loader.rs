//! [`Loader`]: makes batches of a split in background threads while the network is busy with earlier ones.
//!
//! Invariant: the batches of an epoch depend only on the split, the configuration's seed and the epoch, not
//! on the number of workers or their speed. Each sample draws from its own generator, seeded by seed, epoch
//! and sample.
//! The scan has decoded every image of a split. If an image can no longer be decoded or has another size, the
//! epoch ends with an error: a folder was moved or a disk fails, and continuing without the image would
//! change metrics silently.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::batch_assembler::BatchAssembler;
use crate::epoch::Epoch;
use crate::{Augment, DataError, Split};

/// Configuration of a [`Loader`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LoaderConfig {
    /// Side of the square batch images in pixels. A network wants a multiple of 32; the loader takes any.
    pub imgsz: usize,
    /// Images per batch; the last batch of an epoch may have fewer.
    pub batch: usize,
    /// Seed of all randomness.
    pub seed: u64,
    /// For evaluation: each batch gets the smallest canvas that it needs, with sides in multiples of this
    /// many pixels, and images are sorted by shape. `None` for square canvases.
    pub rect: Option<usize>,
    /// Width and height of one canvas for all images, in pixels, instead of a square; for evaluating models
    /// that accept only this size.
    pub canvas: Option<(u32, u32)>,
    /// Whether each epoch has its own order; otherwise the order of the split is kept.
    pub shuffle: bool,
    /// Random changes to the images; `None` for evaluation.
    pub augment: Option<Augment>,
    /// Number of epochs with mosaic and mixup; later epochs show whole images. `None` for all epochs.
    pub mosaic_epochs: Option<u64>,
    /// Background threads. Each keeps one finished batch waiting, `3 * batch * imgsz * imgsz` bytes.
    /// With 0, the calling thread prepares each batch when it asks for it.
    pub workers: usize,
    /// Most bytes of decoded images (`3 * imgsz * imgsz` or less for each) kept between epochs; 0 keeps none.
    /// If samples are combined, the last `8 * batch` (at most 1000) images are kept in any case: a mosaic
    /// takes its other three images from those shortly before it, so that an epoch decodes each image about
    /// once.
    pub cache_bytes: u64,
}

impl Default for LoaderConfig {
    /// Evaluation settings: no shuffling, no augmentation, 640 px, batches of 16, two workers, no cache.
    fn default() -> Self {
        Self {
            imgsz: 640,
            batch: 16,
            seed: 0,
            rect: None,
            canvas: None,
            shuffle: false,
            augment: None,
            mosaic_epochs: None,
            workers: 2,
            cache_bytes: 0,
        }
    }
}

/// Makes batches of a split. Cheap to clone; clones share the cache.
#[derive(Debug, Clone)]
pub struct Loader {
    assembler: Arc<BatchAssembler>,
}

impl Loader {
    /// Makes a loader for a split.
    ///
    /// # Errors
    /// [`DataError::Config`] for a batch of 0 images, an image side outside 1..=16384, `rect` or `canvas`
    /// with options that exclude them, or an augmentation value out of range.
    pub fn new(split: impl Into<Arc<Split>>, config: LoaderConfig) -> Result<Self, DataError> {
        let wrong =
            |field, value: usize, expected| DataError::Config { field, value: value.to_string(), expected };
        if config.batch == 0 {
            return Err(wrong("batch", config.batch, "at least 1"));
        }
        let Ok(imgsz @ 1..=16384) = u32::try_from(config.imgsz) else {
            return Err(wrong("imgsz", config.imgsz, "between 1 and 16384 pixels"));
        };
        if config.rect.is_some() && (config.shuffle || config.augment.is_some()) {
            let field = "rect";
            let value = "on".to_owned();
            let expected = "off where images are shuffled or augmented";
            return Err(DataError::Config { field, value, expected });
        }
        if config.rect.is_some_and(|stride| !(1..=1024).contains(&stride)) {
            return Err(wrong("rect", config.rect.unwrap_or(0), "a stride between 1 and 1024 pixels"));
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
        self.split().samples.len().div_ceil(self.assembler.config.batch)
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
