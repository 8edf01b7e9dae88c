//! [`Preset`]: three ways to choose channels, ours and the two that existing scripts for YOLOv8 use.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::PruneError;

/// A rule for choosing channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Preset {
    /// Coupled sets by score, with all guards of the policy. Prunes every layer that can be pruned.
    #[default]
    Group,
    /// Network Slimming as in the "masked rebuild" scripts: single channels by |gamma|. Batch norms of
    /// residual streams are not pruned.
    ///
    /// The threshold is element `floor(n * prune_ratio)` of the ascending |gamma|, and channels strictly
    /// above it stay (so slightly more than the ratio is removed; at ratio 0 nothing is). Layers that are
    /// split in two keep an even number. No rounding; each group keeps one channel.
    Slim,
    /// The script of the original workflow: fixed layers of the stock YOLOv8, found by Ultralytics' names.
    ///
    /// The threshold is element `floor(n * (1 - prune_ratio))` of all |gamma| of the network, descending, and
    /// channels at or above it stay; a layer's threshold is halved until it keeps 8. No rounding.
    #[serde(alias = "seed")]
    Original,
}

impl Preset {
    /// All presets.
    pub const ALL: [Self; 3] = [Self::Group, Self::Slim, Self::Original];

    /// The name used in configurations.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Group => "group",
            Self::Slim => "slim",
            Self::Original => "original",
        }
    }
}

impl fmt::Display for Preset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Preset {
    type Err = PruneError;

    fn from_str(name: &str) -> Result<Self, PruneError> {
        let unknown = || PruneError::Policy {
            field: "preset",
            got: format!("{name:?}"),
            expected: "\"group\", \"slim\" or \"original\"",
        };
        // Accept the former name of the preset.
        let name = if name == "seed" { Self::Original.name() } else { name };
        Self::ALL.into_iter().find(|p| p.name() == name).ok_or_else(unknown)
    }
}
