//! [`BatchAssembler`]: decodes, augments and stacks the images of one batch.
//!
//! All workers of a loader share one assembler. A sample passes through: store, mosaic or letterbox,
//! perspective, mixup, cutmix, colours, flips, planes. Its random numbers and the samples that it is combined with
//! depend only on the seed, the epoch and its place in the epoch's order.

use std::sync::Arc;

use bonsai_boxes::{Cxcywh, GroundTruth, Xyxy};
use image::RgbImage;
use rand::seq::SliceRandom as _;
use rand::{Rng, RngExt as _};

use crate::batch::ByteBatch;
use crate::cutmix::draw_area;
use crate::decode_limits::Fidelity;
use crate::mixup::draw_share;
use crate::multi_scale::resize_planes;
use crate::planes::{swap_red_and_blue, write_bytes};
use crate::random::{Purpose, stream};
use crate::rect::{Arrangement, arrange, arrange_tight};
use crate::store::{ImageStore, Scaled};
use crate::{
    Augment, DataError, HsvGains, Label, Letterbox, LetterboxTransform, LoaderConfig, Motion, Perspective,
    Split, Target, Tile, cutmix, flip_horizontal, flip_vertical, mixup, mosaic,
};

/// Number of batches from which a mosaic takes its other images.
const WINDOW_BATCHES: usize = 8;
/// Largest number of images from which a mosaic takes its other images.
const WINDOW_LIMIT: usize = 1000;

/// Makes the batches of one split; see the module.
#[derive(Debug)]
pub(crate) struct BatchAssembler {
    split: Arc<Split>,
    pub(crate) config: LoaderConfig,
    letterbox: Letterbox,
    /// Order and canvas sizes; only in rect mode.
    rect: Option<Arrangement>,
    store: ImageStore,
}

/// Memory that a worker reuses for every sample.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    mosaic: RgbImage,
    /// Pixels of an earlier batch.
    pub(crate) bytes: Vec<u8>,
}

/// Position of a sample in the order of an epoch, and the canvas of its batch.
#[derive(Clone, Copy)]
struct Place<'a> {
    order: &'a [usize],
    position: usize,
    canvas: (u32, u32),
}

/// One sample, ready to be written into a batch.
struct Prepared {
    image: RgbImage,
    labels: Vec<Label>,
    transform: LetterboxTransform,
    /// Colour change, applied while the image is written into the batch.
    gains: Option<HsvGains>,
    /// Whether red and blue are exchanged after it.
    bgr: bool,
}

impl BatchAssembler {
    /// Batches of a split; `imgsz` is the side of the images.
    pub(crate) fn new(split: Arc<Split>, config: LoaderConfig, imgsz: u32) -> Self {
        let (width, height) = config.canvas.unwrap_or((imgsz, imgsz));
        let letterbox = Letterbox { width, height, round_up: true, ..Letterbox::square(imgsz) };
        let rect = config.rect.map(|stride| {
            let sizes: Vec<_> = split.samples.iter().map(|s| s.size).collect();
            if config.augment.is_some() {
                arrange_tight(&sizes, config.batch, letterbox, stride)
            } else {
                arrange(&sizes, config.batch, config.imgsz, stride)
            }
        });
        let samples = split.samples.len();
        let combines = config.augment.is_some_and(|augment| augment.combines());
        // Workers are at different batches, so the store keeps the recent images of all of them.
        let ahead = config.workers.saturating_mul(config.batch);
        let recent = if combines { window(config.batch, samples).saturating_add(ahead) } else { 0 };
        let fidelity = if config.augment.is_some() { Fidelity::Fast } else { Fidelity::Exact };
        let store = ImageStore::new(samples, letterbox, fidelity, config.cache_bytes, recent.min(samples));
        Self { split, config, letterbox, rect, store }
    }

    pub(crate) fn split(&self) -> &Split {
        &self.split
    }

    /// Bytes of decoded images kept between epochs.
    pub(crate) fn cached_bytes(&self) -> u64 {
        self.store.used()
    }

    /// The samples in the order of an epoch.
    pub(crate) fn order(&self, epoch: u64) -> Vec<usize> {
        if let Some(rect) = &self.rect {
            return rect.order.clone();
        }
        let mut order: Vec<usize> = (0..self.split.samples.len()).collect();
        if self.config.shuffle {
            order.shuffle(&mut stream(Purpose::Shuffle, self.config.seed, epoch, 0));
        }
        match self.config.part {
            Some(part) => part.take(&order),
            None => order,
        }
    }

    /// Makes batch `number` of an epoch; reuses the byte buffer of the scratch if there is one.
    ///
    /// # Errors
    /// If an image can no longer be decoded as it was at the scan. Without the error it would count as an
    /// image without objects.
    pub(crate) fn batch(
        &self,
        order: &[usize],
        epoch: u64,
        number: usize,
        scratch: &mut Scratch,
    ) -> Result<ByteBatch, DataError> {
        let start = number * self.config.batch;
        let samples = order[start..order.len().min(start + self.config.batch)].to_vec();
        let square = (self.letterbox.width, self.letterbox.height);
        let canvas = self.rect.as_ref().map_or(square, |rect| rect.canvases[number]);
        let w = canvas.0 as usize;
        let h = canvas.1 as usize;
        let plane = w * h;
        let mut bytes = std::mem::take(&mut scratch.bytes);
        bytes.resize(samples.len() * 3 * plane, 0);
        let mut targets = Vec::new();
        let mut transforms = Vec::with_capacity(samples.len());
        for (image, planes) in bytes.chunks_exact_mut(3 * plane).enumerate() {
            let place = Place { order, position: start + image, canvas };
            let prepared = self.prepare(place, epoch, scratch)?;
            write_bytes(&prepared.image, prepared.gains, planes);
            if prepared.bgr {
                swap_red_and_blue(planes);
            }
            targets.extend(prepared.labels.iter().map(|label| Target {
                image,
                class_id: label.class_id,
                bbox: label.bbox,
            }));
            transforms.push(prepared.transform);
        }
        let mut shape = [samples.len(), 3, h, w];
        if let Some(scale) = self.config.multi_scale {
            let drawn = scale.draw(self.config.imgsz, [h, w], (self.config.seed, epoch, number));
            if drawn != [h, w] {
                let resized = resize_planes(&bytes, [h, w], drawn);
                scratch.bytes = std::mem::replace(&mut bytes, resized);
                [shape[2], shape[3]] = drawn;
            }
        }
        Ok(ByteBatch { bytes, shape, targets, samples, transforms })
    }

    /// The augmentation of an epoch: without mosaic, mixup and cutmix from epoch `mosaic_epochs` on.
    fn augment(&self, epoch: u64) -> Option<Augment> {
        let closed = self.config.mosaic_epochs.is_some_and(|epochs| epoch >= epochs);
        self.config.augment.map(|augment| if closed { augment.without_mosaic() } else { augment })
    }

    fn prepare(&self, place: Place<'_>, epoch: u64, scratch: &mut Scratch) -> Result<Prepared, DataError> {
        let index = place.order[place.position];
        let Some(augment) = self.augment(epoch) else { return self.letterboxed(index, place.canvas) };
        let mut rng = stream(Purpose::Augment, self.config.seed, epoch, index as u64);
        let mut prepared = self.compose(place, &augment, &mut rng, scratch)?;
        if rng.random::<f64>() < augment.mixup {
            let position = self.partner(place, &mut rng);
            let other = self.compose(Place { position, ..place }, &augment, &mut rng, scratch)?;
            mixup(&mut prepared.image, &other.image, draw_share(&mut rng));
            prepared.labels.extend(other.labels);
        }
        // Without cutmix no number is drawn, so that a training without it does not change.
        if augment.cutmix > 0.0 && rng.random::<f64>() < augment.cutmix {
            let position = self.partner(place, &mut rng);
            let other = self.compose(Place { position, ..place }, &augment, &mut rng, scratch)?;
            let canvas = place.canvas;
            if let Some(area) = draw_area(canvas, &in_pixels(&prepared.labels, canvas), &mut rng) {
                let objects = in_pixels(&other.labels, canvas);
                let added = cutmix(&mut prepared.image, &other.image, &objects, area);
                prepared.labels.extend(in_fractions(&added, canvas));
            }
        }
        let mut gain = |largest: f64| 1.0 + (rng.random_range(-1.0..=1.0) * largest) as f32;
        let gains = HsvGains {
            hue: gain(augment.hsv_h),
            saturation: gain(augment.hsv_s),
            value: gain(augment.hsv_v),
        };
        prepared.gains = Some(gains);
        if rng.random::<f64>() < augment.flipud {
            flip_vertical(&mut prepared.image, &mut prepared.labels);
        }
        if rng.random::<f64>() < augment.fliplr {
            flip_horizontal(&mut prepared.image, &mut prepared.labels);
        }
        prepared.bgr = augment.bgr > 0.0 && rng.random::<f64>() < augment.bgr;
        Ok(prepared)
    }

    /// Mosaic or letterbox, then perspective.
    fn compose(
        &self,
        place: Place<'_>,
        augment: &Augment,
        rng: &mut impl Rng,
        scratch: &mut Scratch,
    ) -> Result<Prepared, DataError> {
        let index = place.order[place.position];
        let with_mosaic = rng.random::<f64>() < augment.mosaic;
        let motion = Motion::draw(augment, rng);
        if !with_mosaic {
            let whole = self.letterboxed(index, place.canvas)?;
            if !augment.moves() {
                return Ok(whole);
            }
            let map = Perspective::new(&motion, place.canvas, place.canvas);
            let objects = map.objects(&in_pixels(&whole.labels, place.canvas));
            let labels = in_fractions(&objects, place.canvas);
            return Ok(Prepared {
                image: map.image(&whole.image),
                labels,
                transform: whole.transform,
                gains: None,
                bgr: false,
            });
        }
        let others = [(); 3].map(|()| place.order[self.partner(place, rng)]);
        let tile = |sample: usize| -> Result<_, DataError> {
            let (scaled, labels) = self.scaled(sample)?;
            let objects = in_pixels(labels, scaled.transform.resized);
            Ok((scaled, objects))
        };
        let four = [tile(index)?, tile(others[0])?, tile(others[1])?, tile(others[2])?];
        let side = self.letterbox.width;
        let mut centre = || rng.random_range(side / 2..=side + side / 2);
        let centre = (centre(), centre());
        if scratch.mosaic.dimensions() != (2 * side, 2 * side) {
            scratch.mosaic = RgbImage::new(2 * side, 2 * side);
        }
        let tiles = std::array::from_fn(|i| Tile { image: &four[i].0.image, objects: &four[i].1 });
        let objects = mosaic(tiles, centre, &mut scratch.mosaic);
        let map = Perspective::new(&motion, (2 * side, 2 * side), place.canvas);
        let labels = in_fractions(&map.objects(&objects), place.canvas);
        let transform = four[0].0.transform;
        Ok(Prepared { image: map.image(&scratch.mosaic), labels, transform, gains: None, bgr: false })
    }

    /// A position to combine with `place`: one of the positions before it or, at the start of an epoch, one
    /// of the first positions.
    fn partner(&self, place: Place<'_>, rng: &mut impl Rng) -> usize {
        let size = window(self.config.batch, place.order.len());
        let first = place.position.saturating_sub(size);
        rng.random_range(first..first + size)
    }

    /// A sample scaled to its size in the batch, without padding, and its labels.
    fn scaled(&self, index: usize) -> Result<(Arc<Scaled>, &[Label]), DataError> {
        let sample = &self.split.samples[index];
        Ok((self.store.get(index, sample)?, &sample.labels))
    }

    fn letterboxed(&self, index: usize, canvas: (u32, u32)) -> Result<Prepared, DataError> {
        let (scaled, labels) = self.scaled(index)?;
        let transform = scaled.transform.in_canvas(canvas);
        let to_canvas = |label: &Label| Label { bbox: transform.label_to_canvas(label.bbox), ..*label };
        let labels = labels.iter().map(to_canvas).collect();
        Ok(Prepared { image: transform.pad(&scaled.image), labels, transform, gains: None, bgr: false })
    }
}

/// Number of samples from which a mosaic takes its other images.
fn window(batch: usize, samples: usize) -> usize {
    batch.saturating_mul(WINDOW_BATCHES).min(WINDOW_LIMIT).min(samples)
}

/// Converts labels from fractions of an image to pixels.
fn in_pixels(labels: &[Label], (width, height): (u32, u32)) -> Vec<GroundTruth> {
    let w = width as f32;
    let h = height as f32;
    let scale = |label: &Label| {
        let b = Xyxy::from(label.bbox);
        let bbox = Xyxy { x1: b.x1 * w, y1: b.y1 * h, x2: b.x2 * w, y2: b.y2 * h };
        GroundTruth { bbox, class_id: label.class_id }
    };
    labels.iter().map(scale).collect()
}

/// Converts boxes from pixels of an image to fractions of it.
fn in_fractions(objects: &[GroundTruth], (width, height): (u32, u32)) -> Vec<Label> {
    let w = width as f32;
    let h = height as f32;
    let scale = |object: &GroundTruth| {
        let b = object.bbox;
        let bbox = Cxcywh::from(Xyxy { x1: b.x1 / w, y1: b.y1 / h, x2: b.x2 / w, y2: b.y2 / h });
        Label { class_id: object.class_id, bbox }
    };
    objects.iter().map(scale).collect()
}
