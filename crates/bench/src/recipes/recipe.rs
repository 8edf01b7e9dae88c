//! A recipe: settings that are laid over those of a run.

use std::path::Path;

use anyhow::{Context as _, Result};
use bonsai_stages::ensure_usage;
use toml::Table;

use bonsai_pipeline::{PipelineConfig, overlay};

/// Settings under a name.
#[derive(Debug, Clone, PartialEq)]
pub struct Recipe {
    /// What runs and rows of the table are called by.
    pub name: String,
    settings: Table,
    /// Whether it is one of [`KNOWN`], which spend all further epochs.
    is_known: bool,
}

/// Recipes that are known by name.
const KNOWN: [(&str, &str); 3] = [
    // The settings as they are.
    ("default", ""),
    // The simple control: plain Taylor importance on the baseline, and every further epoch for fine-tuning.
    ("taylor", "score.importance = \"taylor\"\nscore.normalisation = \"none\"\nsparse.epochs = 0"),
    // What any ranking must beat.
    ("random", "score.importance = { random = { seed = 0 } }\nsparse.epochs = 0"),
];

impl Recipe {
    /// A recipe that is known by name, or that of a TOML file, which is called by the file's name.
    ///
    /// # Errors
    /// If it is neither, or the file is not TOML.
    pub fn open(name: &str) -> Result<Self> {
        if let Some((name, text)) = KNOWN.into_iter().find(|(known, _)| *known == name) {
            return Ok(Self { name: name.to_owned(), settings: text.parse()?, is_known: true });
        }
        let path = Path::new(name);
        let known = KNOWN.map(|(name, _)| name).join(", ");
        ensure_usage!(
            path.is_file(),
            "unknown recipe \"{name}\"; expected one of {known}, or a TOML file with settings"
        );
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {name}"))?;
        let settings = text.parse().with_context(|| format!("{name} is not valid TOML"))?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        ensure_usage!(
            name != "dense" && !KNOWN.iter().any(|(known, _)| *known == name),
            "{} is called as a row of the table is already: give the file another name",
            path.display()
        );
        Ok(Self { name, settings, is_known: false })
    }

    /// The settings of a run with this recipe. Known recipes spend all further epochs of `base`.
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
    fn known_recipes_spend_as_many_epochs_as_the_settings() {
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
    fn a_file_is_a_recipe_of_its_name() {
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
