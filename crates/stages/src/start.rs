//! [`start_checkpoint`] and [`trained_checkpoint`]: the network that a run starts from, with new weights or from
//! a file.

use anyhow::{Result, bail};
use bonsai_checkpoint::Checkpoint;
use bonsai_graph::Op;
use bonsai_yolov8::{Scale, build, init};

use crate::checkpoint_file::open_checkpoint;
use crate::classes::{for_dataset, matched};
use crate::{Progress, ensure_usage, path_of_text};

/// A checkpoint for `model`: `yolov8n` to `yolov8x`, built for these classes with seeded weights, or a file
/// of Bonsai or Ultralytics. The classes of a file are matched with the dataset's by name, and `progress` is
/// told how. The outputs of shared classes keep their weights, in the dataset's order; the outputs of other
/// classes get new weights.
///
/// # Errors
/// If `model` is neither a model name nor a file, the file cannot be read, or its network has no batch norm.
pub fn start_checkpoint(
    model: &str,
    class_names: &[String],
    seed: u64,
    progress: &mut dyn Progress,
) -> Result<Checkpoint> {
    if let Some(scale) = Scale::from_model_name(model) {
        return Ok(init(&build(scale, class_names)?, seed)?);
    }
    for_dataset(open_start(model)?, class_names, seed, &shown(model), progress)
}

/// As [`start_checkpoint`], for a network that is used as it is: it must be a file that knows all classes.
///
/// # Errors
/// As [`start_checkpoint`]; if `model` is not a file, or lacks a class of the dataset.
pub fn trained_checkpoint(
    model: &str,
    class_names: &[String],
    seed: u64,
    progress: &mut dyn Progress,
) -> Result<Checkpoint> {
    ensure_usage!(
        Scale::from_model_name(model).is_none(),
        "baseline.epochs is 0, so the model is the baseline, but {model} is untrained: name a trained checkpoint, or set \
         baseline.epochs"
    );
    let checkpoint = open_start(model)?;
    let classes = matched(checkpoint.model.class_names(), class_names)?;
    let missing: Vec<&str> = classes.missing().map(|class| class_names[class].as_str()).collect();
    ensure_usage!(
        missing.is_empty(),
        "baseline.epochs is 0, so the model is the baseline, but {model} has no class \"{}\" of the dataset: train it on \
         the dataset first (in `pipeline`, set baseline.epochs)",
        missing.join("\", \"")
    );
    for_dataset(checkpoint, class_names, seed, &shown(model), progress)
}

/// The path of a model, for messages.
fn shown(model: &str) -> String {
    path_of_text(model).display().to_string()
}

/// Opens the file of a network to train.
fn open_start(model: &str) -> Result<Checkpoint> {
    let path = path_of_text(model);
    let model = shown(model);
    let names: Vec<_> = Scale::ALL.iter().map(|s| s.model_name()).collect();
    ensure_usage!(path.exists(), "unknown model \"{model}\"; expected a file or one of {}", names.join(", "));
    let checkpoint = Checkpoint { train: None, ..open_checkpoint(&path)? };
    // Ultralytics fused it, or it is a CPU engine. Without batch norm, training is unstable and pruning is
    // impossible.
    if !checkpoint.model.graph().nodes().iter().any(|node| matches!(node.op(), Op::BatchNorm { .. })) {
        bail!(
            "{model} has no batch norm (it was fused or folded), so it cannot be trained; pass the checkpoint from before that"
        );
    }
    Ok(checkpoint)
}
