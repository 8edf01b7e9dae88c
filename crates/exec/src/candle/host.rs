//! [`host_values`]: reads the values of a CPU tensor in place, for operations that take candle several
//! passes.
//!
//! Every caller also has an implementation in candle operations for other devices; unit tests compare the
//! two.

use std::ops::Deref;

use candle_core::{CpuStorage, Result, Storage, Tensor};

/// The values of a contiguous `f32` tensor in host memory, in row-major order. `None` if the tensor is on
/// another device, is not contiguous or has another type.
pub(super) fn host_values(tensor: &Tensor) -> Option<impl Deref<Target = [f32]> + '_> {
    let (storage, layout) = tensor.storage_and_layout();
    let (start, end) = layout.contiguous_offsets()?;
    matches!(&*storage, Storage::Cpu(CpuStorage::F32(_))).then_some(Values { storage, start, end })
}

/// Creates a tensor from values, with the shape and device of `like`.
pub(super) fn tensor_like(values: Vec<f32>, like: &Tensor) -> Result<Tensor> {
    Tensor::from_vec(values, like.dims(), like.device())
}

/// A range of a storage, read while its lock is held.
struct Values<G> {
    storage: G,
    start: usize,
    end: usize,
}

impl<G: Deref<Target = Storage>> Deref for Values<G> {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        let Storage::Cpu(CpuStorage::F32(values)) = &*self.storage else { return &[] };
        &values[self.start..self.end]
    }
}
