//! What keeps more channels than the scores alone would, and from which ratio on it must.

use bonsai_graph::Op;
use serde::{Deserialize, Serialize};

use crate::Coupling;

/// The rule that decided how much a group keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Guard {
    /// No layer is left without channels.
    LastChannel,
    /// [`PrunePolicy::min_channels`](crate::PrunePolicy::min_channels).
    MinChannels,
    /// [`PrunePolicy::max_ratio_per_layer`](crate::PrunePolicy::max_ratio_per_layer).
    MaxRatio,
    /// [`PrunePolicy::round_to`](crate::PrunePolicy::round_to).
    RoundTo,
    /// The floor of [`Preset::Original`](crate::Preset::Original): the layer's threshold is halved until 8 are kept.
    SeedFloor,
    /// [`Preset::Slim`](crate::Preset::Slim) keeps an even count of what is split in two.
    EvenSplit,
}

/// A group of channels that loses less than its scores ask for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClampedLayer {
    /// The first convolution of the group.
    pub conv: String,
    /// Channel sets of the group. A convolution that is split afterwards has one group for each part.
    pub channels: usize,
    /// How many of them the ratio alone would remove.
    pub asked: usize,
    /// How many are removed.
    pub lost: usize,
    /// Why not more.
    pub guard: Guard,
}

/// How far the ratio alone can go.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SafeLimit {
    /// The largest ratio at which no group is asked for all its channels (the "highest threshold" of
    /// Network Slimming scripts: no layer's best channel may fall under it). Beyond it, guards decide.
    pub ratio: f64,
    /// The convolution that would be emptied first.
    pub conv: String,
}

/// The name under which people know a set: that of the first convolution that makes its channels.
pub(crate) fn conv_of(coupling: &Coupling, set: usize) -> String {
    let members = &coupling.sets()[set].members;
    let is_conv = |id| matches!(coupling.graph().node(id).op(), Op::Conv2d { .. });
    let first = members.iter().find(|m| is_conv(m.node)).or(members.first());
    first.map_or_else(String::new, |m| coupling.graph().node(m.node).name().to_owned())
}
