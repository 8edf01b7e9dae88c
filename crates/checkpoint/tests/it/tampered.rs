//! [`tampered`]: takes a checkpoint file apart, changes it and writes it again with the safetensors crate.

use std::collections::{BTreeMap, HashMap};

use bonsai_checkpoint::Checkpoint;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde_json::Value;

/// The parts of a file.
pub(crate) struct Parts {
    /// Tensors by name.
    pub(crate) tensors: BTreeMap<String, (Dtype, Vec<usize>, Vec<u8>)>,
    /// The JSON under the header's key `bonsai`.
    pub(crate) header: Value,
}

/// The file of `checkpoint` after a change.
pub(crate) fn tampered(checkpoint: &Checkpoint, change: impl FnOnce(&mut Parts)) -> Vec<u8> {
    let bytes = checkpoint.to_bytes().unwrap();
    let (_, metadata) = SafeTensors::read_metadata(&bytes).unwrap();
    let header = serde_json::from_str(&metadata.metadata().as_ref().unwrap()["bonsai"]).unwrap();
    let tensors = SafeTensors::deserialize(&bytes)
        .unwrap()
        .iter()
        .map(|(name, view)| (name.to_owned(), (view.dtype(), view.shape().to_vec(), view.data().to_vec())))
        .collect();
    let mut parts = Parts { tensors, header };
    change(&mut parts);
    write(&parts.tensors, Some(HashMap::from([("bonsai".to_owned(), parts.header.to_string())])))
}

/// A safetensors file.
pub(crate) fn write(
    tensors: &BTreeMap<String, (Dtype, Vec<usize>, Vec<u8>)>,
    metadata: Option<HashMap<String, String>>,
) -> Vec<u8> {
    let views = tensors.iter().map(|(name, (dtype, shape, data))| {
        (name.as_str(), TensorView::new(*dtype, shape.clone(), data).unwrap())
    });
    safetensors::serialize(views, metadata).unwrap()
}
