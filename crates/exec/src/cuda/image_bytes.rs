//! [`ImageBytes`]: images of 8 bits that are copied to a GPU.
//!
//! Images of a dataset are k / 255 for whole numbers k. Such images travel as bytes, a quarter of their size, and the GPU
//! divides again, with the same result. All other images travel as they are.

use candle_core::cuda_backend::WrapErr as _;
use candle_core::cuda_backend::cudarc::driver::{CudaEvent, CudaSlice, PinnedHostSlice};
use rayon::prelude::*;

use super::launcher::Launcher;
use crate::ExecError;

/// Number of values that one task converts.
const TASK: usize = 1 << 16;

/// Memory for the images of one batch, on both sides.
pub(super) struct ImageBytes {
    host: Option<PinnedHostSlice<u8>>,
    memory: CudaSlice<u8>,
    /// Passes when the GPU has read `host`.
    copied: CudaEvent,
}

impl Drop for ImageBytes {
    /// Waits for the last copy. A failure of earlier work shows in the next call.
    fn drop(&mut self) {
        let _ = self.copied.synchronize();
    }
}

impl ImageBytes {
    pub(super) fn new(gpu: &Launcher) -> Result<Self, ExecError> {
        Ok(Self { host: None, memory: gpu.reserve(0)?, copied: gpu.event()? })
    }

    /// Copies images to the GPU, if they have 8 bits; otherwise copies nothing and returns `false`.
    pub(super) fn upload(&mut self, images: &[f32], gpu: &Launcher) -> Result<bool, ExecError> {
        self.copied.synchronize().w()?;
        // A copy takes the whole host memory, so its length is exact.
        if self.host.as_ref().is_none_or(|host| host.len() != images.len()) {
            self.host = None;
            self.host = Some(gpu.pinned(images.len())?);
        }
        let host = self.host.as_mut().expect("set above");
        if !to_bytes(images, host.as_mut_slice().w()?) {
            return Ok(false);
        }
        gpu.grow(&mut self.memory, images.len())?;
        gpu.upload_pinned(host, &mut self.memory, &self.copied)?;
        Ok(true)
    }

    /// The images on the GPU.
    pub(super) fn memory(&self) -> &CudaSlice<u8> {
        &self.memory
    }
}

/// Writes k for every value k / 255; `false` if a value is none of them.
fn to_bytes(images: &[f32], bytes: &mut [u8]) -> bool {
    let task = |(images, bytes): (&[f32], &mut [u8])| {
        let mut same = true;
        for (value, byte) in images.iter().zip(bytes) {
            // The cast maps NaN to 0 and limits the rest. The memory is slow to read back.
            let level = (value * 255.0 + 0.5) as u8;
            *byte = level;
            same &= (f32::from(level) / 255.0).to_bits() == value.to_bits();
        }
        same
    };
    images.par_chunks(TASK).zip(bytes.par_chunks_mut(TASK)).map(task).reduce(|| true, |a, b| a & b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_the_fractions_of_255_are_bytes() {
        let images: Vec<f32> = (0..3 * TASK).map(|i| (i % 256) as f32 / 255.0).collect();
        let mut bytes = vec![7; images.len()];
        assert!(to_bytes(&images, &mut bytes));
        assert!(bytes.iter().enumerate().all(|(i, byte)| usize::from(*byte) == i % 256));
        for other in [f32::NAN, -0.0, 1.0 / 3.0_f32.sqrt(), 256.0 / 255.0, -1.0 / 255.0, f32::INFINITY] {
            let mut images = images.clone();
            images[2 * TASK + 1] = other;
            assert!(!to_bytes(&images, &mut bytes), "{other} is no fraction of 255");
        }
    }
}
