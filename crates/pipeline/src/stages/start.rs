//! What training starts from: fresh weights of a scale, or a checkpoint.

use std::path::Path;

use anyhow::{Result, bail};
use bonsai_checkpoint::Checkpoint;
use bonsai_yolov8::{Scale, build, init};

/// A checkpoint for `model`: `yolov8n` to `yolov8x` built for these classes with seeded weights, or a file.
///
/// # Errors
/// If the name is neither, or the file's classes are not the dataset's.
pub fn start_checkpoint(model: &str, class_names: &[String], seed: u64) -> Result<Checkpoint> {
    if let Some(scale) = Scale::from_model_name(model) {
        return Ok(init(&build(scale, class_names)?, seed)?);
    }
    let path = Path::new(model);
    if !path.exists() {
        let names: Vec<_> = Scale::ALL.iter().map(|s| s.model_name()).collect();
        bail!("`{model}` is neither a file nor one of {}", names.join(", "));
    }
    let mut checkpoint = Checkpoint::open(path)?;
    if checkpoint.model.class_names() != class_names {
        bail!(
            "{model} has the {} classes {:?}, but the dataset has the {} classes {class_names:?}: \
             train a head for them from a scale name instead",
            checkpoint.model.class_names().len(),
            checkpoint.model.class_names(),
            class_names.len()
        );
    }
    checkpoint.train = None;
    Ok(checkpoint)
}
