//! What training starts from: fresh weights of a scale, or a checkpoint.

use anyhow::{Result, bail};
use bonsai_checkpoint::Checkpoint;
use bonsai_graph::Op;
use bonsai_yolov8::{Scale, build, init};

use crate::checkpoint_file::open_checkpoint;
use crate::classes::for_dataset;
use crate::{Progress, path_of_text};

/// A checkpoint for `model`: `yolov8n` to `yolov8x` built for these classes with seeded weights, or a file, Bonsai's or
/// Ultralytics'. The classes of a file are matched with the dataset's by name, which is noted: outputs of classes that both have
/// are kept, wherever the dataset has them, and those of others start anew.
///
/// # Errors
/// If the name is neither, if the file cannot be read, or if its network has no batch norm.
pub fn start_checkpoint(
    model: &str,
    class_names: &[String],
    seed: u64,
    progress: &mut dyn Progress,
) -> Result<Checkpoint> {
    if let Some(scale) = Scale::from_model_name(model) {
        return Ok(init(&build(scale, class_names)?, seed)?);
    }
    let path = path_of_text(model);
    let model = path.display().to_string();
    if !path.exists() {
        let names: Vec<_> = Scale::ALL.iter().map(|s| s.model_name()).collect();
        bail!("`{model}` is neither a file nor one of {}", names.join(", "));
    }
    let checkpoint = Checkpoint { train: None, ..open_checkpoint(&path)? };
    // Fused by Ultralytics, or a CPU engine: without batch norm nothing keeps the training stable, and nothing can be pruned.
    if !checkpoint.model.graph().nodes().iter().any(|node| matches!(node.op(), Op::BatchNorm { .. })) {
        bail!(
            "{model} has no batch norm, so it cannot be trained: it was fused (or folded); use the checkpoint from before that"
        );
    }
    for_dataset(checkpoint, class_names, seed, &model, progress)
}
