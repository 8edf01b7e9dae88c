//! Three ways to choose channels: ours, and the two that existing scripts for YOLOv8 use.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::PruneError;

/// How channels are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Preset {
    /// Coupled sets by their scores, with all guards of the policy. Everything that can be pruned is.
    #[default]
    Group,
    /// Network Slimming as in the "masked rebuild" scripts: single channels by |gamma|; batch norms of
    /// residual streams are left alone.
    ///
    /// The threshold stands at `floor(n * prune_ratio)` of the ascending |gamma|, and what is strictly above
    /// it stays (so a little more than the ratio goes; at ratio 0 nothing does). Layers that are split in
    /// two keep an even count. No rounding; each group keeps one channel.
    Slim,
    /// The script of the original workflow: fixed layers of the stock YOLOv8, found by Ultralytics' names.
    ///
    /// The threshold stands at `floor(n * (1 - prune_ratio))` of all |gamma| of the network, descending, and
    /// what is at or above it stays; a layer's threshold is halved until it keeps 8. No rounding.
    #[serde(alias = "seed")]
    Original,
}

impl Preset {
    /// All presets.
    pub const ALL: [Self; 3] = [Self::Group, Self::Slim, Self::Original];

    /// The name in configurations.
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
        // Its former name.
        let name = if name == "seed" { Self::Original.name() } else { name };
        Self::ALL.into_iter().find(|p| p.name() == name).ok_or_else(unknown)
    }
}
