//! [`ImageStore`]: decoded images, kept in memory as long as there is room.
//!
//! Images are kept scaled but not padded: the letterbox pads them, and a mosaic can tile them.
//! Images kept between epochs are never evicted. An epoch visits every image once, so a usual eviction rule
//! would always drop the image that is needed next. In addition, the last few images are kept for mosaics.
//! Invariant: the results of [`ImageStore::get`] do not depend on which images are kept.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use image::RgbImage;

use crate::decode::decode_file;
use crate::decode_limits::Fidelity;
use crate::{DataError, Letterbox, LetterboxTransform, Sample};

/// An image scaled for its canvas.
#[derive(Debug)]
pub(crate) struct Scaled {
    /// Pixels, of the size `transform.resized`.
    pub(crate) image: RgbImage,
    /// Position of the pixels in the canvas.
    pub(crate) transform: LetterboxTransform,
}

#[derive(Debug)]
pub(crate) struct ImageStore {
    letterbox: Letterbox,
    fidelity: Fidelity,
    limit: u64,
    used: AtomicU64,
    slots: Vec<OnceLock<Arc<Scaled>>>,
    /// The last images for which the slots had no room, oldest first.
    recent: Mutex<VecDeque<(usize, Arc<Scaled>)>>,
    recent_limit: usize,
}

impl ImageStore {
    /// A store for `samples` images that keeps at most `limit` bytes of pixels and, in addition, the last
    /// `recent_limit` images.
    pub(crate) fn new(
        samples: usize,
        letterbox: Letterbox,
        fidelity: Fidelity,
        limit: u64,
        recent_limit: usize,
    ) -> Self {
        let slots = (0..samples).map(|_| OnceLock::new()).collect();
        let recent = Mutex::new(VecDeque::new());
        Self { letterbox, fidelity, limit, used: AtomicU64::new(0), slots, recent, recent_limit }
    }

    /// The image of sample `number`, from memory or from its file.
    ///
    /// # Errors
    /// If the file cannot be read or decoded, or its picture has another size than at the scan.
    pub(crate) fn get(&self, number: usize, sample: &Sample) -> Result<Arc<Scaled>, DataError> {
        let slot = &self.slots[number];
        if let Some(kept) = slot.get() {
            return Ok(Arc::clone(kept));
        }
        if let Some((_, kept)) = self.recent().iter().rev().find(|(index, _)| *index == number) {
            return Ok(Arc::clone(kept));
        }
        let native = decode_file(&sample.image_path, self.fidelity)?;
        if native.dimensions() != sample.size {
            let path = sample.image_path.clone();
            let found = native.dimensions();
            return Err(DataError::Changed { path, found, scanned: sample.size });
        }
        let transform = self.letterbox.plan(native.dimensions());
        let image = match self.fidelity {
            _ if transform.resized == native.dimensions() => native,
            Fidelity::Exact => transform.resize(&native),
            Fidelity::Fast => transform.resize_fast(native),
        };
        let bytes = image.as_raw().len() as u64;
        let scaled = Arc::new(Scaled { image, transform });
        let room = |used: u64| used.checked_add(bytes).filter(|total| *total <= self.limit);
        if self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, room).is_ok() {
            if slot.set(Arc::clone(&scaled)).is_err() {
                // Another thread stored the same image in the meantime.
                self.used.fetch_sub(bytes, Ordering::Relaxed);
            }
        } else if self.recent_limit > 0 {
            let mut recent = self.recent();
            if recent.len() == self.recent_limit {
                recent.pop_front();
            }
            recent.push_back((number, Arc::clone(&scaled)));
        }
        Ok(scaled)
    }

    fn recent(&self) -> std::sync::MutexGuard<'_, VecDeque<(usize, Arc<Scaled>)>> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes of pixels kept between epochs.
    pub(crate) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }
}
