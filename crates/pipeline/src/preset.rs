//! [`PipelinePreset`]: settings that a run starts from.

use std::str::FromStr;

use bonsai_exec::UnknownName;
use bonsai_prune::{Importance, Normalisation, Preset, ScoreConfig};
use bonsai_train::TrainConfig;

use crate::{L1Config, L1Preset, PipelineConfig, PruneExtras};

/// A set of settings that a run starts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PipelinePreset {
    /// Bonsai's own settings.
    #[default]
    Default,
    /// The workflow of the hand-patched trainers: their L1, one global threshold on the fixed layers of the
    /// stock network, half of the channels removed, no compensation.
    Original,
}

impl FromStr for PipelinePreset {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        match text {
            "default" => Ok(Self::Default),
            // `seed` is the former name.
            "original" | "seed" => Ok(Self::Original),
            _ => Err(UnknownName::new("preset", text, "default or original")),
        }
    }
}

impl PipelineConfig {
    /// These settings with another seed of all randomness, for one of several runs. Channels that are ranked
    /// at random are drawn anew for every seed: from the sum of the setting's own seed and this one.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        if let Importance::Random { seed: drawn } = &mut self.score.importance {
            *drawn = drawn.wrapping_add(seed);
        }
        self
    }

    /// These settings, changed to those of the preset.
    #[must_use]
    pub fn with_preset(self, preset: PipelinePreset) -> Self {
        // Without sparsity epochs, sparsity training and fine-tuning get half of the fine-tuning epochs each.
        let (sparse, finetune) = match (self.sparse.epochs, self.finetune.epochs) {
            (0, all) => (all.div_ceil(2), (all / 2).max(1)),
            given => given,
        };
        match preset {
            PipelinePreset::Default => self,
            PipelinePreset::Original => Self {
                sparse: TrainConfig { epochs: sparse, ..self.sparse },
                finetune: TrainConfig { epochs: finetune, ..self.finetune },
                l1: L1Config::from_preset(L1Preset::Original),
                score: ScoreConfig {
                    importance: Importance::Gamma,
                    normalisation: Normalisation::None,
                    ..self.score
                },
                prune: bonsai_prune::PrunePolicy {
                    preset: Preset::Original,
                    prune_ratio: 0.5,
                    target: None,
                    ..self.prune
                },
                extras: PruneExtras {
                    compensate: false,
                    reconstruct: 0,
                    dense_importance: Importance::Gamma,
                    ..self.extras
                },
                ..self
            },
        }
    }
}
