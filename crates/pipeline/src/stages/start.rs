//! What training starts from: fresh weights of a scale, or a checkpoint.

use std::path::Path;

use anyhow::{Result, bail};
use bonsai_checkpoint::Checkpoint;
use bonsai_yolov8::{Scale, build, init, with_classes};

use crate::Progress;
use crate::checkpoint_file::open_checkpoint;

/// A checkpoint for `model`: `yolov8n` to `yolov8x` built for these classes with seeded weights, or a file, Bonsai's or
/// Ultralytics'. A file for other classes gets new last convolutions in its class branches, which is noted.
///
/// # Errors
/// If the name is neither, or the file cannot be read.
pub fn start_checkpoint(
    model: &str,
    class_names: &[String],
    seed: u64,
    progress: &mut dyn Progress,
) -> Result<Checkpoint> {
    if let Some(scale) = Scale::from_model_name(model) {
        return Ok(init(&build(scale, class_names)?, seed)?);
    }
    let path = Path::new(model);
    if !path.exists() {
        let names: Vec<_> = Scale::ALL.iter().map(|s| s.model_name()).collect();
        bail!("`{model}` is neither a file nor one of {}", names.join(", "));
    }
    let checkpoint = Checkpoint { train: None, ..open_checkpoint(path)? };
    let theirs = checkpoint.model.class_names();
    if theirs == class_names {
        return Ok(checkpoint);
    }
    let numbers = (theirs.len(), class_names.len());
    progress.note(&if numbers.0 == numbers.1 {
        format!(
            "{model} calls its {} classes otherwise than the dataset; the dataset's names are taken",
            numbers.0
        )
    } else {
        format!(
            "{model} has {} classes, the dataset {}: the last convolutions of the class branches start anew",
            numbers.0, numbers.1
        )
    });
    Ok(with_classes(&checkpoint, class_names, seed)?)
}
