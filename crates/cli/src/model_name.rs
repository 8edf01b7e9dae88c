//! [`known_model`]: refuses unknown names of models.

use anyhow::Result;
use bonsai_pipeline::{nearest, path_of_text};

use crate::failure::{ErrorExt as _, misused};
use crate::published_models::MODELS;

/// Refuses a word that is not a model's name, does not look like a path, and is not an existing file.
pub(crate) fn known_model(name: &str) -> Result<()> {
    let is_word = !name.contains(['.', '/', '\\']) && !path_of_text(name).exists();
    if !is_word || MODELS.contains(&name) {
        return Ok(());
    }
    let text = format!("unknown model \"{name}\"; expected a file or one of {}", MODELS.join(", "));
    let refused = misused(text);
    match nearest(name, MODELS.iter().map(|&model| model.to_owned())) {
        Some(near) => refused.hint(|| format!("did you mean `{near}`?")),
        None => refused,
    }
}
