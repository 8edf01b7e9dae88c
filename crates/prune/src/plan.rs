//! [`PrunePlan`]: the channels to keep, as data that can be reviewed, stored and replayed.
//!
//! Only convolutions create channels, so a plan lists only them; the coupling determines batch norms, slices
//! and readers. A plan stores the network it was made for, but no weights and no policy.

use std::collections::BTreeSet;
use std::path::Path;

use bonsai_checkpoint::write_file;
use bonsai_graph::{Graph, NodeId, Op};
use serde::{Deserialize, Serialize};

use crate::{Coupling, Member, PruneError, keep};

/// Version of the JSON below; must be raised when an old reader would misread a new file.
const VERSION: u32 = 1;

/// Kept channels of every convolution.
///
/// As JSON:
/// `{"version": 1, "network": "..", "layers": [{"conv": "model.0.conv", "channels": 16, "keep": "0-7,9"}, ..]}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "PlanFile", into = "PlanFile")]
pub struct PrunePlan {
    network: String,
    layers: Vec<LayerPlan>,
}

/// Kept channels of one convolution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerPlan {
    conv: String,
    channels: usize,
    keep: Vec<usize>,
}

impl LayerPlan {
    /// Name of the convolution.
    pub fn conv(&self) -> &str {
        &self.conv
    }

    /// Its output channels before pruning.
    pub const fn channels(&self) -> usize {
        self.channels
    }

    /// The channels that stay, ascending.
    pub fn keep(&self) -> &[usize] {
        &self.keep
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PlanFile {
    version: u32,
    network: String,
    layers: Vec<LayerFile>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LayerFile {
    conv: String,
    channels: usize,
    keep: String,
}

impl From<PrunePlan> for PlanFile {
    fn from(plan: PrunePlan) -> Self {
        let layer =
            |l: LayerPlan| LayerFile { conv: l.conv, channels: l.channels, keep: keep::to_text(&l.keep) };
        Self { version: VERSION, network: plan.network, layers: plan.layers.into_iter().map(layer).collect() }
    }
}

impl TryFrom<PlanFile> for PrunePlan {
    type Error = PruneError;

    fn try_from(file: PlanFile) -> Result<Self, PruneError> {
        if file.version != VERSION {
            return Err(PruneError::Version { got: file.version, expected: VERSION });
        }
        let mut names = BTreeSet::new();
        let mut layers = Vec::with_capacity(file.layers.len());
        for LayerFile { conv, channels, keep: text } in file.layers {
            if !names.insert(conv.clone()) {
                return Err(PruneError::DuplicateLayer { layer: conv });
            }
            match keep::parse(&text, channels) {
                Ok(keep) if keep.is_empty() => {
                    return Err(PruneError::EmptiedLayer { layer: conv, channels });
                }
                Ok(keep) => layers.push(LayerPlan { conv, channels, keep }),
                Err(reason) => return Err(PruneError::KeepList { layer: conv, text, reason }),
            }
        }
        Ok(Self { network: file.network, layers })
    }
}

impl PrunePlan {
    /// The plan that removes nothing.
    pub fn identity(graph: &Graph) -> Self {
        let kept: Vec<Vec<usize>> = graph.nodes().iter().map(|n| (0..n.channels()).collect()).collect();
        Self::from_kept(graph, &kept)
    }

    /// The plan that removes the given sets of `coupling`.
    ///
    /// # Errors
    /// [`PruneError::UnknownSet`], [`PruneError::Pinned`] for a set that must stay,
    /// [`PruneError::EmptiedLayer`] if a layer would lose all channels.
    pub fn removing(coupling: &Coupling, sets: impl IntoIterator<Item = usize>) -> Result<Self, PruneError> {
        let mut removed = vec![false; coupling.sets().len()];
        for set in sets {
            let unknown = PruneError::UnknownSet { set, sets: removed.len() };
            *removed.get_mut(set).ok_or(unknown)? = true;
        }
        Self::from_removed(coupling, &removed)
    }

    /// As [`PrunePlan::removing`], with one flag per set.
    pub(crate) fn from_removed(coupling: &Coupling, removed: &[bool]) -> Result<Self, PruneError> {
        for (set, _) in coupling.sets().iter().zip(removed).filter(|(_, r)| **r) {
            if let (Some(pin), Some(member)) = (set.pin, set.members.first()) {
                return Err(PruneError::Pinned {
                    layer: coupling.graph().node(member.node).name().to_owned(),
                    channel: member.channel,
                    reason: pin.describe(coupling.graph()),
                });
            }
        }
        let kept = coupling.kept_channels(removed);
        check_none_emptied(coupling.graph(), &kept)?;
        Ok(Self::from_kept(coupling.graph(), &kept))
    }

    fn from_kept(graph: &Graph, kept: &[Vec<usize>]) -> Self {
        let layers = convolutions(graph)
            .map(|(index, conv, channels)| LayerPlan {
                conv: conv.to_owned(),
                channels,
                keep: kept[index].clone(),
            })
            .collect();
        Self { network: fingerprint(graph), layers }
    }

    /// One entry per convolution, in the network's order.
    pub fn layers(&self) -> &[LayerPlan] {
        &self.layers
    }

    /// The channels that the convolution named `conv` keeps, ascending.
    pub fn keep(&self, conv: &str) -> Option<&[usize]> {
        self.layers.iter().find(|l| l.conv == conv).map(LayerPlan::keep)
    }

    /// Whether the plan removes nothing.
    pub fn is_identity(&self) -> bool {
        self.layers.iter().all(|l| l.keep.len() == l.channels)
    }

    /// The plan equivalent to applying this plan and then `next`, which was made for the pruned network.
    ///
    /// # Errors
    /// [`PruneError::UnknownLayer`], [`PruneError::MissingLayer`] or [`PruneError::Channels`] if `next` does
    /// not fit the network that this plan produces.
    pub fn then(&self, next: &Self) -> Result<Self, PruneError> {
        if let Some(unknown) = next.layers.iter().find(|l| self.keep(&l.conv).is_none()) {
            return Err(PruneError::UnknownLayer { layer: unknown.conv.clone() });
        }
        let compose = |first: &LayerPlan| {
            let second = next.layers.iter().find(|l| l.conv == first.conv);
            let second = second.ok_or_else(|| PruneError::MissingLayer { layer: first.conv.clone() })?;
            if second.channels != first.keep.len() {
                let layer = first.conv.clone();
                let expected = second.channels;
                let got = first.keep.len();
                return Err(PruneError::Channels { layer, expected, got });
            }
            let keep = second.keep.iter().map(|c| first.keep[*c]).collect();
            Ok(LayerPlan { conv: first.conv.clone(), channels: first.channels, keep })
        };
        let layers = self.layers.iter().map(compose).collect::<Result<_, _>>()?;
        Ok(Self { network: self.network.clone(), layers })
    }

    /// Indented JSON, one short entry per layer.
    ///
    /// # Errors
    /// [`PruneError::Json`]; never for a plan that this crate made.
    pub fn to_json(&self) -> Result<String, PruneError> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }

    /// Reads JSON that [`PrunePlan::to_json`] wrote or a person edited.
    ///
    /// # Errors
    /// [`PruneError::Json`] with line and column for invalid JSON, otherwise the variant of the violated
    /// rule.
    pub fn from_json(text: &str) -> Result<Self, PruneError> {
        // In two steps, so that a violated rule is reported as its own variant and not as text in a JSON
        // error.
        serde_json::from_str::<PlanFile>(text)?.try_into()
    }

    /// Writes the JSON to a file atomically: a reader sees the old file or the new one, never a part.
    ///
    /// # Errors
    /// [`PruneError::Checkpoint`] with the path and the cause.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), PruneError> {
        let path = path.as_ref();
        Ok(write_file(path, self.to_json()?.as_bytes())?)
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`PruneError::Load`] with the path and the cause.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, PruneError> {
        let path = path.as_ref();
        let wrap = |source| PruneError::Load { path: path.to_owned(), source };
        let text = std::fs::read_to_string(path).map_err(|e| wrap(e.into()))?;
        Self::from_json(&text).map_err(|e| wrap(e.into()))
    }

    /// The channels of layer `node` of `graph`, the network before pruning, that the pruned network keeps,
    /// ascending.
    ///
    /// # Errors
    /// As [`apply`](crate::apply()) for a plan of another network.
    pub fn kept_in(&self, graph: &Graph, node: NodeId) -> Result<Vec<usize>, PruneError> {
        let mut kept = self.kept_channels(&Coupling::from_graph(graph))?;
        Ok(kept.get_mut(node.index()).map(std::mem::take).unwrap_or_default())
    }

    /// The channels of every layer that stay, checked against the network.
    ///
    /// # Errors
    /// As [`apply`](crate::apply()).
    pub(crate) fn kept_channels(&self, coupling: &Coupling) -> Result<Vec<Vec<usize>>, PruneError> {
        let graph = coupling.graph();
        self.check_network(graph)?;
        // For each set: whether the first convolution that lists it keeps it, and its channel.
        let mut decided: Vec<Option<(bool, Member)>> = vec![None; coupling.sets().len()];
        for (node, layer) in graph.ids().zip(graph.nodes()) {
            let Some(keep) = self.keep(layer.name()) else { continue };
            for channel in 0..layer.channels() {
                let member = Member { node, channel };
                let kept = keep.binary_search(&channel).is_ok();
                let set = coupling.set_of(member);
                match (coupling.sets()[set].pin, decided[set]) {
                    (Some(pin), _) if !kept => {
                        let layer = layer.name().to_owned();
                        let reason = pin.describe(graph);
                        return Err(PruneError::Pinned { layer, channel, reason });
                    }
                    (_, Some((before, other))) if before != kept => {
                        let (kept, dropped) = if kept { (member, other) } else { (other, member) };
                        return Err(PruneError::Uncoupled {
                            kept: graph.node(kept.node).name().to_owned(),
                            kept_channel: kept.channel,
                            dropped: graph.node(dropped.node).name().to_owned(),
                            dropped_channel: dropped.channel,
                        });
                    }
                    _ => decided[set] = Some((kept, member)),
                }
            }
        }
        let removed: Vec<bool> = decided.iter().map(|d| matches!(d, Some((false, _)))).collect();
        let kept = coupling.kept_channels(&removed);
        check_none_emptied(graph, &kept)?;
        Ok(kept)
    }

    fn check_network(&self, graph: &Graph) -> Result<(), PruneError> {
        for layer in &self.layers {
            let found = convolutions(graph).find(|(_, conv, _)| *conv == layer.conv);
            let (_, _, got) = found.ok_or_else(|| PruneError::UnknownLayer { layer: layer.conv.clone() })?;
            if got != layer.channels {
                let (layer, expected) = (layer.conv.clone(), layer.channels);
                return Err(PruneError::Channels { layer, expected, got });
            }
        }
        if let Some((_, conv, _)) = convolutions(graph).find(|(_, conv, _)| self.keep(conv).is_none()) {
            return Err(PruneError::MissingLayer { layer: conv.to_owned() });
        }
        let got = fingerprint(graph);
        if got != self.network {
            return Err(PruneError::OtherNetwork { expected: self.network.clone(), got });
        }
        Ok(())
    }
}

/// Index, name and output channels of every convolution.
fn convolutions(graph: &Graph) -> impl Iterator<Item = (usize, &str, usize)> {
    let convs = graph.iter().filter(|(_, n)| matches!(n.op(), Op::Conv2d { .. }));
    convs.map(|(id, n)| (id.index(), n.name(), n.channels()))
}

fn check_none_emptied(graph: &Graph, kept: &[Vec<usize>]) -> Result<(), PruneError> {
    match graph.nodes().iter().zip(kept).find(|(_, keep)| keep.is_empty()) {
        Some((node, _)) => {
            Err(PruneError::EmptiedLayer { layer: node.name().to_owned(), channels: node.channels() })
        }
        None => Ok(()),
    }
}

/// FNV-1a over the network's text form: distinguishes networks, but does not protect against manipulation.
fn fingerprint(graph: &Graph) -> String {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    format!("{:016x}", graph.to_string().bytes().fold(0xcbf2_9ce4_8422_2325, step))
}
