//! [`Candidates`]: the channels from which a preset chooses, with their scores and weights.

use bonsai_checkpoint::Weights;

use crate::{ChannelScores, Coupling};

/// The inputs of [`choose`](crate::choose()).
#[derive(Debug, Clone, Copy)]
pub struct Candidates<'a> {
    /// The channels of the network.
    pub coupling: &'a Coupling,
    /// Importance of the channel sets, for [`Preset::Group`](crate::Preset::Group).
    pub scores: &'a ChannelScores,
    /// The network's weights; the other presets read the batch-norm scales from them.
    pub weights: &'a Weights,
}
