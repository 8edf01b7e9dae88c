//! [`LoaderConfig`]: how a loader makes batches.

use serde::{Deserialize, Serialize};

use crate::{Augment, MultiScale};

/// Configuration of a [`Loader`](crate::Loader).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LoaderConfig {
    /// Side of the square batch images in pixels. A network wants a multiple of 32; the loader takes any.
    pub imgsz: usize,
    /// Images per batch; the last batch of an epoch may have fewer.
    pub batch: usize,
    /// Seed of all randomness.
    pub seed: u64,
    /// Each batch gets the smallest canvas that it needs, with sides in multiples of this many pixels, and images are
    /// sorted by shape. Without augmentation, the canvas has half a stride more, as in Ultralytics' evaluation. `None`
    /// for square canvases.
    pub rect: Option<usize>,
    /// Resizes each batch to a random size. `None` for batches of one size.
    pub multi_scale: Option<MultiScale>,
    /// Width and height of one canvas for all images, in pixels, instead of a square; for evaluating models
    /// that accept only this size.
    pub canvas: Option<(u32, u32)>,
    /// Whether each epoch has its own order; otherwise the order of the split is kept.
    pub shuffle: bool,
    /// The share of each epoch's order that this loader takes, one of several that train together; `None` for all of it.
    pub part: Option<Part>,
    /// Random changes to the images; `None` for evaluation.
    pub augment: Option<Augment>,
    /// Number of epochs with mosaic, mixup and cutmix; later epochs show whole images. `None` for all epochs.
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
            multi_scale: None,
            canvas: None,
            shuffle: false,
            part: None,
            augment: None,
            mosaic_epochs: None,
            workers: 2,
            cache_bytes: 0,
        }
    }
}

/// One of `of` equal shares of an epoch: every loader of them has the same order, and takes the images `number`,
/// `number + of`, ... of it. The order is continued from its start until all shares have the same length, so that all have the
/// same number of batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// Number of the share, from 0.
    pub number: usize,
    /// Number of shares.
    pub of: usize,
}

impl Part {
    /// Length of the share of `samples` images.
    pub(crate) fn len(self, samples: usize) -> usize {
        samples.div_ceil(self.of)
    }

    /// This share of an order.
    pub(crate) fn take(self, order: &[usize]) -> Vec<usize> {
        let places = (self.number..).step_by(self.of).take(self.len(order.len()));
        places.map(|place| order[place % order.len()]).collect()
    }
}
