//! [`Guard`]: rules that keep more channels than the scores alone would, and the ratio up to which none is
//! needed.

use bonsai_graph::Op;
use serde::{Deserialize, Serialize};

use crate::Coupling;

/// The rule that decided how many channels a group keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Guard {
    /// Every layer keeps at least one channel.
    LastChannel,
    /// [`PrunePolicy::min_channels`](crate::PrunePolicy::min_channels).
    MinChannels,
    /// [`PrunePolicy::max_ratio_per_layer`](crate::PrunePolicy::max_ratio_per_layer).
    MaxRatio,
    /// [`PrunePolicy::round_to`](crate::PrunePolicy::round_to).
    RoundTo,
    /// The minimum width of [`Preset::Original`](crate::Preset::Original): the layer's threshold is halved
    /// until 8 channels stay.
    SeedFloor,
    /// [`Preset::Slim`](crate::Preset::Slim) keeps an even number of channels of a layer that is split in
    /// two.
    EvenSplit,
}

/// A group that loses fewer channels than its scores ask for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClampedLayer {
    /// The first convolution of the group.
    pub conv: String,
    /// Number of channel sets in the group. A convolution whose output is split has one group for each part.
    pub channels: usize,
    /// Number of sets that the ratio alone would remove.
    pub asked: usize,
    /// Number of sets removed.
    pub lost: usize,
    /// The guard that kept the others.
    pub guard: Guard,
}

/// The largest pruning ratio that needs no guard.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SafeLimit {
    /// The largest ratio at which no group would lose all its channels (the "highest threshold" of Network
    /// Slimming scripts: the best channel of every layer stays above it). At higher ratios the guards decide.
    pub ratio: f64,
    /// The convolution that would be emptied first.
    pub conv: String,
}

/// The name that reports use for a set: the first convolution that computes its channels.
pub(crate) fn conv_of(coupling: &Coupling, set: usize) -> String {
    let members = &coupling.sets()[set].members;
    let is_conv = |id| matches!(coupling.graph().node(id).op(), Op::Conv2d { .. });
    let first = members.iter().find(|m| is_conv(m.node)).or(members.first());
    first.map_or_else(String::new, |m| coupling.graph().node(m.node).name().to_owned())
}
