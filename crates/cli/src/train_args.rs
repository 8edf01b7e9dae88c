//! [`Train`]: the arguments of `train`, `sparsify` and `finetune`, with the names of Ultralytics.
//!
//! Arguments override the settings file, which overrides the defaults; all use the same keys.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use bonsai_pipeline::training::TrainRunConfig;
use bonsai_pipeline::{load_settings, overlay, resolve};
use clap::Args;

use crate::failure::ErrorExt as _;
use crate::model_name::known_model;
use crate::output::eprint_line;
use crate::train_keys::TrainKeys;
use crate::ultralytics_args::training_keys;

/// Keys of the machine, which may differ when a training resumes.
const MACHINE: [&str; 6] = ["device", "executor", "compute_precision", "threads", "workers", "cache_mib"];

/// Arguments of a training command.
#[derive(Args)]
#[command(next_help_heading = "Training")]
pub(crate) struct Train {
    #[command(flatten)]
    pub(crate) keys: TrainKeys,
    /// TOML file with the same keys (`lr0 = 0.02`), or the args.yaml of a training with Ultralytics
    #[arg(long, visible_alias = "cfg", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// One key, such as `l1.gamma=0.005`; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
    /// Resume a training: its folder or `last` checkpoint, or no value for the latest in --project; pass
    /// --data if the dataset was moved
    #[arg(long, value_name = "PATH", num_args = 0..=1)]
    #[expect(clippy::option_option, reason = "clap distinguishes absent, without a value and with a value")]
    pub(crate) resume: Option<Option<PathBuf>>,
}

fn is_yaml(file: &Path) -> bool {
    file.extension().is_some_and(|extension| extension == "yaml" || extension == "yml")
}

impl Train {
    /// Applies the file, flags and --set to the defaults, and checks the result.
    pub(crate) fn resolve(&self, defaults: TrainRunConfig) -> Result<TrainRunConfig> {
        let args = self.overlaid(defaults).misuse()?;
        args.check().misuse()?;
        known_model(&args.model)?;
        Ok(args)
    }

    fn overlaid(&self, defaults: TrainRunConfig) -> Result<TrainRunConfig> {
        let base = match &self.config {
            Some(file) if is_yaml(file) => {
                let (keys, notes) = training_keys(file)?;
                for note in notes {
                    eprint_line!("{}: {note}", file.display());
                }
                overlay(&defaults, keys).with_context(|| format!("in {}", file.display()))?
            }
            Some(file) => load_settings(&defaults, file)?,
            None => defaults,
        };
        resolve(&overlay(&base, self.keys.0.clone())?, &self.set)
    }

    /// The saved arguments of a training, with the machine and dataset of these flags.
    pub(crate) fn on_this_machine(&self, saved: &TrainRunConfig) -> Result<TrainRunConfig> {
        let mut flags = self.keys.0.clone();
        // --data may name a new place for the same dataset; `train_run` checks that the content is the same.
        flags.retain(|key, _| key == "data" || MACHINE.contains(&key));
        overlay(saved, flags)
    }

    /// Whether `--data` is given.
    pub(crate) fn names_data(&self) -> bool {
        self.keys.0.contains_key("data")
    }

    /// The given options that a resumed training does not accept, because it takes them from its folder: all
    /// except dataset and machine, and `--project` if no folder is given.
    pub(crate) fn given(&self, has_folder: bool) -> Vec<String> {
        let is_free =
            |key: &str| key == "data" || MACHINE.contains(&key) || (key == "project" && !has_folder);
        let fixed = self.keys.0.keys().filter(|key| !is_free(key));
        let mut keys: Vec<String> = fixed.map(|key| format!("--{}", key.replace('_', "-"))).collect();
        keys.extend(self.set.iter().map(|set| format!("--set {set}")));
        keys.extend(self.config.iter().map(|file| format!("--config {}", file.display())));
        keys
    }
}
