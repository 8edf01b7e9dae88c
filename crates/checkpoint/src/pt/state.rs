//! A checkpoint from named tensors.

use bonsai_graph::ModelSpec;

use super::error::PtError;
use super::stock::{self, Shapes};
use crate::{Array, Checkpoint, CheckpointError, Weights};

/// What a state dict has beside the parameters of the graph.
const COUNTERS: &str = "num_batches_tracked";
const EXPECTATION: &str = "dfl.conv.weight";

/// The network of a state dict with Ultralytics' names, whatever its widths; classes get numbers for names.
///
/// # Errors
/// [`PtError`] for what YOLOv8 does not have, [`CheckpointError`] for tensors that do not fit together.
pub(crate) fn from_state_dict(weights: Weights) -> Result<Checkpoint, CheckpointError> {
    let weights = weights.into_iter().map(|(name, array)| (own_name(&name), array)).collect::<Weights>();
    let shapes: Shapes = weights.iter().map(|(name, array)| (name.to_owned(), array.shape.clone())).collect();
    let model = stock::blueprint(&shapes)?.assemble()?;
    checkpoint(model, weights)
}

/// The name in a `DetectionModel`; in the wrapper `YOLO` all begin with `model.` once more.
fn own_name(name: &str) -> String {
    name.strip_prefix("model.").filter(|rest| rest.starts_with("model.")).unwrap_or(name).to_owned()
}

/// Puts a network and its tensors together; the head's fixed weights are checked and left out, counters are left out.
pub(super) fn checkpoint(model: ModelSpec, weights: Weights) -> Result<Checkpoint, CheckpointError> {
    let mut kept = Weights::new();
    for (name, array) in weights {
        if name.ends_with(EXPECTATION) {
            check_expectation(&name, &array)?;
        } else if !name.ends_with(COUNTERS) {
            kept.insert(name, array);
        }
    }
    Checkpoint::new(model, kept)
}

/// The distance of a side is the expectation of its bins, so the weights are the bins' numbers.
fn check_expectation(name: &str, array: &Array) -> Result<(), PtError> {
    if array.data.iter().enumerate().all(|(bin, weight)| *weight == bin as f32) {
        return Ok(());
    }
    let what = "its weights are not 0, 1, 2 and so on: this head decodes boxes in another way".to_owned();
    Err(PtError::Unsupported { place: name.to_owned(), what })
}
