//! Reading a CPU tensor's values in place, for passes that candle would take several of.
//!
//! Every user of this has its definition in candle operations beside it, for other devices;
//! unit tests hold the two against each other.

use std::ops::Deref;

use candle_core::{CpuStorage, Result, Storage, Tensor};

/// The values of a contiguous `f32` tensor in host memory, in row-major order.
/// `None` if the tensor lies elsewhere or is no plain block of `f32`.
pub(super) fn host_values(tensor: &Tensor) -> Option<impl Deref<Target = [f32]> + '_> {
    let (storage, layout) = tensor.storage_and_layout();
    let (start, end) = layout.contiguous_offsets()?;
    matches!(&*storage, Storage::Cpu(CpuStorage::F32(_))).then_some(Values { storage, start, end })
}

/// Values as a tensor of the shape and on the device of `like`.
pub(super) fn tensor_like(values: Vec<f32>, like: &Tensor) -> Result<Tensor> {
    Tensor::from_vec(values, like.dims(), like.device())
}

/// A range of a storage, read through the lock that guards it.
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
