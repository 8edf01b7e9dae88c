//! [`Undecodable`] and [`admit`]: what may be decoded, and the reasons why a file is not.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};

use image::ImageError;

/// Most pixels of an image.
const MOST_PIXELS: u64 = 1 << 27;
/// Most bytes of an image file.
pub(crate) const MOST_BYTES: u64 = 1 << 29;
/// Most memory for decoding one image, in bytes.
pub(crate) const MOST_MEMORY: u64 = 1 << 30;
/// Images that take more bytes than this are decoded one at a time, so that many threads do not need many
/// times the limit.
const LARGE: u64 = 128 << 20;

/// Locked while a large image is decoded.
static ONE_LARGE: Mutex<()> = Mutex::new(());

/// How images are decoded and scaled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fidelity {
    /// Pixels within one level of those of the tools that pretrained networks come from.
    Exact,
    /// Takes half the time; pixels differ by up to 4 levels, far less than a colour change in training.
    Fast,
}

/// Reasons why the bytes of a file are not a picture.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Undecodable {
    /// The file has no bytes.
    #[error("the file is empty")]
    Empty,
    /// The file is longer than the limit.
    #[error("the file has {0} bytes, at most {MOST_BYTES} are read")]
    FileTooLarge(u64),
    /// The image exceeds the limit of pixels or of memory.
    #[error(
        "{width} x {height} pixels, which take {memory} bytes to decode; at most {MOST_PIXELS} pixels and {MOST_MEMORY} \
         bytes are allowed"
    )]
    TooLarge {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
        /// Memory that decoding would take, in bytes.
        memory: u64,
    },
    /// The decoder refuses the file, for this reason.
    #[error("{0}")]
    Damaged(String),
    /// The file has an unknown format, or is damaged.
    #[error(transparent)]
    Image(#[from] ImageError),
}

/// Runs a decoder. A panic is a bug of the decoder, but must cost only this file: it becomes an error.
///
/// # Errors
/// Those of the decoder.
pub(crate) fn guarded<T>(decoder: impl FnOnce() -> Result<T, Undecodable>) -> Result<T, Undecodable> {
    // The data that the decoder was working on is dropped with it.
    let broken = |_| Err(Undecodable::Damaged("its decoder panicked".to_owned()));
    catch_unwind(AssertUnwindSafe(decoder)).unwrap_or_else(broken)
}

/// A turn to decode an image of this width and height at `bytes_per_pixel` of memory; the caller holds it
/// until the image is decoded.
///
/// # Errors
/// [`Undecodable::TooLarge`].
pub(crate) fn admit((width, height): (u32, u32), bytes_per_pixel: u64) -> Result<Turn, Undecodable> {
    let pixels = u64::from(width) * u64::from(height);
    let memory = pixels.saturating_mul(bytes_per_pixel);
    if pixels > MOST_PIXELS || memory > MOST_MEMORY {
        return Err(Undecodable::TooLarge { width, height, memory });
    }
    let large = memory > LARGE;
    Ok(large.then(|| ONE_LARGE.lock().unwrap_or_else(PoisonError::into_inner)))
}

/// The right to decode a large image; `None` for other images.
pub(crate) type Turn = Option<std::sync::MutexGuard<'static, ()>>;
