//! [`Recipe`]: settings that override those of a run.

use std::path::Path;

use anyhow::{Context as _, Result};
use bonsai_stages::ensure_usage;
use toml::Table;

use bonsai_pipeline::{PipelineConfig, overlay};

/// A set of settings with a name.
#[derive(Debug, Clone, PartialEq)]
pub struct Recipe {
    /// Its name in runs and in rows of the table.
    pub name: String,
    settings: Table,
    /// Whether it is one of [`KNOWN`]; these use all epochs after the baseline.
    is_known: bool,
}

/// The built-in recipes.
const KNOWN: [(&str, &str); 3] = [
    // No changes.
    ("default", ""),
    // A simple baseline for comparison: Taylor importance, and all epochs after the baseline for fine-tuning.
    ("taylor", "score.importance = \"taylor\"\nscore.normalisation = \"none\"\nsparse.epochs = 0"),
    // A ranking that any other must beat.
    ("random", "score.importance = { random = { seed = 0 } }\nsparse.epochs = 0"),
];

impl Recipe {
    /// Opens a built-in recipe by name, or a TOML file, whose name becomes the name of the recipe.
    ///
    /// # Errors
    /// If `name` is neither, or the file is not TOML.
    pub fn open(name: &str) -> Result<Self> {
        if let Some((name, text)) = KNOWN.into_iter().find(|(known, _)| *known == name) {
            return Ok(Self { name: name.to_owned(), settings: text.parse()?, is_known: true });
        }
        let path = Path::new(name);
        let known = KNOWN.map(|(name, _)| name).join(", ");
        ensure_usage!(
            path.is_file(),
            "unknown recipe \"{name}\"; expected {known}, or a TOML file with settings"
        );
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {name}"))?;
        let settings = text.parse().with_context(|| format!("{name} is not valid TOML"))?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        ensure_usage!(
            name != "dense" && !KNOWN.iter().any(|(known, _)| *known == name),
            "{}: the table already has a row of this name; rename the file",
            path.display()
        );
        Ok(Self { name, settings, is_known: false })
    }

    /// The settings of a run with this recipe. Built-in recipes use all epochs of `base` after the baseline.
    ///
    /// # Errors
    /// If a setting does not exist or does not fit.
    pub fn over(&self, base: &PipelineConfig) -> Result<PipelineConfig> {
        let mut config =
            overlay(base, self.settings.clone()).with_context(|| format!("in the recipe {}", self.name))?;
        if self.is_known {
            config.finetune.epochs = base.further_epochs().saturating_sub(config.sparse.epochs);
        }
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bonsai_prune::Importance;

    #[test]
    fn known_recipes_train_for_as_many_epochs_as_the_settings() {
        let base = PipelineConfig::default();
        for (name, _) in KNOWN {
            let config = Recipe::open(name).unwrap().over(&base).unwrap();
            assert_eq!(config.further_epochs(), base.further_epochs(), "{name}");
        }
        assert_eq!(Recipe::open("default").unwrap().over(&base).unwrap(), base);
        let taylor = Recipe::open("taylor").unwrap().over(&base).unwrap();
        assert_eq!((taylor.sparse.epochs, taylor.score.importance), (0, Importance::Taylor));
    }

    #[test]
    fn a_file_gives_its_recipe_a_name() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("short.toml");
        std::fs::write(&file, "[finetune]\nepochs = 7\n").unwrap();
        let recipe = Recipe::open(file.to_str().unwrap()).unwrap();
        assert_eq!(recipe.name, "short");
        assert_eq!(recipe.over(&PipelineConfig::default()).unwrap().finetune.epochs, 7);
        std::fs::write(&file, "[finetune]\nepoch = 7\n").unwrap();
        let error =
            Recipe::open(file.to_str().unwrap()).unwrap().over(&PipelineConfig::default()).unwrap_err();
        assert!(format!("{error:#}").contains("in the recipe short"), "{error:#}");
        assert!(Recipe::open("tailor").unwrap_err().to_string().contains("default, taylor, random"));
    }
}
