//! [`Network`]: the network that a benchmark times.

use std::path::PathBuf;

use anyhow::{Context, Result};
use bonsai_checkpoint::Checkpoint;
use bonsai_stages::{open_model, open_network};
use bonsai_yolov8::{Scale, init};

use crate::narrow::{Narrow, narrow};

/// The network of a benchmark: a file, or a model name with fresh weights.
#[derive(Debug, Clone, PartialEq)]
pub struct Network {
    /// `yolov8n` to `yolov8x`, for 80 classes; not used with a file.
    pub model: String,
    /// A checkpoint or CPU engine.
    pub weights: Option<PathBuf>,
    /// If set, the network is first cut to about half its widths.
    pub narrow: Option<Narrow>,
}

impl Network {
    /// Loads the file or creates the network.
    ///
    /// # Errors
    /// If the file cannot be read, the name is unknown, or the network cannot be narrowed.
    pub fn open(&self) -> Result<Checkpoint> {
        let checkpoint = if let Some(path) = &self.weights {
            Checkpoint { train: None, ..open_network(path)? }
        } else {
            let names = || Scale::ALL.map(Scale::model_name).join(", ");
            Scale::from_model_name(&self.model).with_context(|| {
                format!("unknown model \"{}\"; expected {}, or a file with --weights", self.model, names())
            })?;
            init(&open_model(&self.model)?, 0)?
        };
        match self.narrow {
            Some(what) => narrow(&checkpoint, what),
            None => Ok(checkpoint),
        }
    }

    /// Name of the network in the results.
    pub(super) fn name(&self) -> String {
        let name =
            self.weights.as_ref().map_or_else(|| self.model.clone(), |path| path.display().to_string());
        match self.narrow {
            Some(Narrow { seed, rounded: false }) => format!("{name}, narrow by seed {seed}"),
            Some(Narrow { seed, rounded: true }) => format!("{name}, narrow by seed {seed} and rounded"),
            None => name,
        }
    }
}
