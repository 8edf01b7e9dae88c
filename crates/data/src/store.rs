//! Decoded images, kept in memory as long as there is room.
//!
//! Images are kept scaled but not padded: the letterbox pads them, and a mosaic can tile them.
//! Nothing is ever thrown out: an epoch visits every image once, so that the image to be used soonest is always
//! the one that a usual eviction rule would drop.
//! Invariant: what [`ImageStore::get`] returns does not depend on what is kept.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use image::RgbImage;

use crate::decode::decode;
use crate::{DataError, Letterbox, LetterboxTransform};

/// An image scaled for its canvas.
#[derive(Debug)]
pub(crate) struct Scaled {
    /// Pixels, of the size `transform.resized`.
    pub(crate) image: RgbImage,
    /// Where they lie in the canvas.
    pub(crate) transform: LetterboxTransform,
}

#[derive(Debug)]
pub(crate) struct ImageStore {
    letterbox: Letterbox,
    limit: u64,
    used: AtomicU64,
    slots: Vec<OnceLock<Arc<Scaled>>>,
}

impl ImageStore {
    /// A store for `samples` images that keeps at most `limit` bytes of pixels.
    pub(crate) fn new(samples: usize, letterbox: Letterbox, limit: u64) -> Self {
        let slots = (0..samples).map(|_| OnceLock::new()).collect();
        Self { letterbox, limit, used: AtomicU64::new(0), slots }
    }

    /// The image of a sample, from memory or from its file.
    pub(crate) fn get(&self, sample: usize, path: &Path) -> Result<Arc<Scaled>, DataError> {
        let slot = &self.slots[sample];
        if let Some(kept) = slot.get() {
            return Ok(Arc::clone(kept));
        }
        let native = decode(path)?;
        let transform = self.letterbox.plan(native.dimensions());
        let image = if transform.resized == native.dimensions() { native } else { transform.resize(&native) };
        let bytes = image.as_raw().len() as u64;
        let scaled = Arc::new(Scaled { image, transform });
        let room = |used: u64| used.checked_add(bytes).filter(|total| *total <= self.limit);
        if self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, room).is_ok()
            && slot.set(Arc::clone(&scaled)).is_err()
        {
            // Another thread stored the same image in the meantime.
            self.used.fetch_sub(bytes, Ordering::Relaxed);
        }
        Ok(scaled)
    }

    /// Bytes of pixels kept.
    pub(crate) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }
}
