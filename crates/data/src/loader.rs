//! Batches of a split, prepared in background threads while the network is busy with earlier ones.
//!
//! Invariant: the batches of an epoch depend on the split, the configuration's seed and the epoch only, not on the
//! number of workers or their speed. Each sample draws from its own generator, named by seed, epoch and sample.
//! An image that fails to decode (the scan reads headers only) does not stop training: it becomes a grey background
//! image and a counted warning.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use image::RgbImage;
use rand::seq::SliceRandom as _;
use serde::{Deserialize, Serialize};

use crate::batch::write_planes;
use crate::dataset::reason;
use crate::epoch::Epoch;
use crate::letterbox::PADDING;
use crate::random::{Purpose, stream};
use crate::rect::{Arrangement, arrange};
use crate::store::ImageStore;
use crate::{
    Augment, Batch, DataError, Label, Letterbox, LetterboxTransform, Split, Target, Warning, WarningKind,
};

/// How batches are made.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LoaderConfig {
    /// Side of the square batch images in pixels. A network wants a multiple of 32; the loader takes any.
    pub imgsz: usize,
    /// Images per batch; the last batch of an epoch may have fewer.
    pub batch: usize,
    /// Where all randomness starts from.
    pub seed: u64,
    /// Canvases no larger than a batch needs, in multiples of this many pixels, for validation: images are sorted by shape.
    /// `None` for squares.
    pub rect: Option<usize>,
    /// Whether each epoch has its own order; otherwise the order is that of the split.
    pub shuffle: bool,
    /// Random changes to the images; none for validation.
    pub augment: Option<Augment>,
    /// Background threads. Each keeps one finished batch waiting, `12 * batch * imgsz * imgsz` bytes.
    /// 0 prepares batches in the calling thread, when they are asked for.
    pub workers: usize,
    /// Most bytes of decoded images (`3 * imgsz * imgsz` or less for each) kept between epochs; 0 keeps none.
    pub cache_bytes: u64,
}

impl Default for LoaderConfig {
    /// Validation settings: no shuffling, no augmentation, 640 px, batches of 16, two workers, no cache.
    fn default() -> Self {
        Self {
            imgsz: 640,
            batch: 16,
            seed: 0,
            rect: None,
            shuffle: false,
            augment: None,
            workers: 2,
            cache_bytes: 0,
        }
    }
}

/// Makes batches of a split. Cheap to clone; clones share cache and warnings.
#[derive(Debug, Clone)]
pub struct Loader {
    kitchen: Arc<Kitchen>,
}

/// What all workers share.
#[derive(Debug)]
pub(crate) struct Kitchen {
    split: Arc<Split>,
    pub(crate) config: LoaderConfig,
    letterbox: Letterbox,
    /// In rect mode.
    rect: Option<Arrangement>,
    store: ImageStore,
    /// By sample, so that an image that fails in every epoch counts once and order does not matter.
    warnings: Mutex<BTreeMap<usize, Warning>>,
}

impl Loader {
    /// A loader for a split.
    ///
    /// # Errors
    /// [`DataError::Config`] for a batch of 0 images or an image side outside 1..=16384.
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
            let (field, value, expected) =
                ("rect", "on".to_owned(), "off where images are shuffled or augmented");
            return Err(DataError::Config { field, value, expected });
        }
        if config.rect.is_some_and(|stride| !(1..=1024).contains(&stride)) {
            return Err(wrong("rect", config.rect.unwrap_or(0), "a stride between 1 and 1024 pixels"));
        }
        let split: Arc<Split> = split.into();
        let letterbox = Letterbox { round_up: config.rect.is_some(), ..Letterbox::square(imgsz) };
        let rect = config.rect.map(|stride| {
            let sizes: Vec<_> = split.samples.iter().map(|s| s.size).collect();
            arrange(&sizes, config.batch, config.imgsz, stride)
        });
        let store = ImageStore::new(split.samples.len(), letterbox, config.cache_bytes);
        let warnings = Mutex::new(BTreeMap::new());
        Ok(Self { kitchen: Arc::new(Kitchen { split, config, letterbox, rect, store, warnings }) })
    }

    /// The split that batches are made of.
    pub fn split(&self) -> &Split {
        &self.kitchen.split
    }

    /// The configuration.
    pub fn config(&self) -> &LoaderConfig {
        &self.kitchen.config
    }

    /// Number of batches in an epoch.
    pub fn batches(&self) -> usize {
        self.kitchen.split.samples.len().div_ceil(self.kitchen.config.batch)
    }

    /// Starts preparing the batches of an epoch. Dropping the iterator stops the preparation.
    pub fn epoch(&self, epoch: u64) -> Epoch {
        self.epoch_from(epoch, 0)
    }

    /// The same without the first `first` batches: what is left of an epoch that was interrupted after them.
    pub fn epoch_from(&self, epoch: u64, first: usize) -> Epoch {
        Epoch::start(&self.kitchen, epoch, first, self.batches())
    }

    /// Images that could not be decoded so far, in the order of the split.
    pub fn warnings(&self) -> Vec<Warning> {
        let warnings = self.kitchen.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        warnings.values().cloned().collect()
    }

    /// Bytes of decoded images kept in memory now; never above [`LoaderConfig::cache_bytes`].
    pub fn cached_bytes(&self) -> u64 {
        self.kitchen.store.used()
    }
}

/// One sample, ready to be written into a batch.
struct Prepared {
    image: RgbImage,
    labels: Vec<Label>,
    transform: LetterboxTransform,
}

impl Kitchen {
    /// The samples in the order of an epoch.
    pub(crate) fn order(&self, epoch: u64) -> Vec<usize> {
        if let Some(rect) = &self.rect {
            return rect.order.clone();
        }
        let mut order: Vec<usize> = (0..self.split.samples.len()).collect();
        if self.config.shuffle {
            order.shuffle(&mut stream(Purpose::Shuffle, self.config.seed, epoch, 0));
        }
        order
    }

    /// Batch `number` of an epoch.
    pub(crate) fn batch(&self, order: &[usize], epoch: u64, number: usize) -> Batch {
        let start = number * self.config.batch;
        let samples = order[start..order.len().min(start + self.config.batch)].to_vec();
        let square = (self.letterbox.width, self.letterbox.height);
        let canvas = self.rect.as_ref().map_or(square, |rect| rect.canvases[number]);
        let (w, h) = (canvas.0 as usize, canvas.1 as usize);
        let plane = w * h;
        let mut images = vec![0.0; samples.len() * 3 * plane];
        let mut targets = Vec::new();
        let mut transforms = Vec::with_capacity(samples.len());
        for (image, (&sample, planes)) in samples.iter().zip(images.chunks_exact_mut(3 * plane)).enumerate() {
            let prepared = self.prepare(sample, epoch, canvas);
            write_planes(&prepared.image, planes);
            targets.extend(prepared.labels.iter().map(|label| Target {
                image,
                class_id: label.class_id,
                bbox: label.bbox,
            }));
            transforms.push(prepared.transform);
        }
        let shape = [samples.len(), 3, h, w];
        Batch { images, shape, targets, samples, transforms }
    }

    /// The chain for one sample: store, letterbox, augmentation.
    /// A mosaic takes the place of the letterbox and asks the store for further samples.
    fn prepare(&self, index: usize, epoch: u64, canvas: (u32, u32)) -> Prepared {
        let mut prepared = self.letterboxed(index, canvas);
        if let Some(augment) = &self.config.augment {
            let mut rng = stream(Purpose::Augment, self.config.seed, epoch, index as u64);
            augment.apply(&mut prepared.image, &mut prepared.labels, &mut rng);
        }
        prepared
    }

    fn letterboxed(&self, index: usize, canvas: (u32, u32)) -> Prepared {
        let sample = &self.split.samples[index];
        match self.store.get(index, &sample.image_path) {
            Ok(scaled) => {
                let transform = scaled.transform.in_canvas(canvas);
                let to_canvas =
                    |label: &Label| Label { bbox: transform.label_to_canvas(label.bbox), ..*label };
                let labels = sample.labels.iter().map(to_canvas).collect();
                Prepared { image: transform.pad(&scaled.image), labels, transform }
            }
            Err(error) => {
                let kind = WarningKind::UnreadableImage { reason: reason(&error) };
                let warning = Warning { path: sample.image_path.clone(), line: None, kind };
                let mut warnings = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
                warnings.entry(index).or_insert_with(|| {
                    tracing::warn!(%warning, "image counts as background");
                    warning
                });
                drop(warnings);
                let grey = image::Rgb([PADDING; 3]);
                Prepared {
                    image: RgbImage::from_pixel(canvas.0, canvas.1, grey),
                    labels: Vec::new(),
                    transform: self.letterbox.plan(sample.size).in_canvas(canvas),
                }
            }
        }
    }
}
