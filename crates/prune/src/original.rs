//! [`OriginalRanking`]: the rule of the original workflow, with fixed layers of the stock YOLOv8, one global
//! threshold and a minimum of 8 channels.
//!
//! This is the only module of the crate that uses layer names. Sizes and depths may differ; the layers must
//! exist, and their channels must not be coupled to other batch norms.

use bonsai_graph::{NodeId, Op};

use crate::gamma::Gammas;
use crate::glob::matches;
use crate::guard::conv_of;
use crate::policy::share_of;
use crate::ranking::{Choice, Ranking};
use crate::select::protected_sets;
use crate::{Candidates, Coupling, Guard, Member, Preset, PruneError, PrunePolicy, SafeLimit};

/// The batch norms that the script prunes: first convolutions of the bottlenecks, convolutions with a single
/// reader and no concat or addition after them, the last convolutions of the three levels, and the head's.
const PRUNED: [&str; 27] = [
    "model.2.m.*.cv1.bn",
    "model.4.m.*.cv1.bn",
    "model.6.m.*.cv1.bn",
    "model.8.m.*.cv1.bn",
    "model.12.m.*.cv1.bn",
    "model.15.m.*.cv1.bn",
    "model.18.m.*.cv1.bn",
    "model.21.m.*.cv1.bn",
    "model.3.bn",
    "model.5.bn",
    "model.7.bn",
    "model.8.cv2.bn",
    "model.15.cv2.bn",
    "model.18.cv2.bn",
    "model.21.cv2.bn",
    "model.22.cv2.0.0.bn",
    "model.22.cv2.0.1.bn",
    "model.22.cv2.1.0.bn",
    "model.22.cv2.1.1.bn",
    "model.22.cv2.2.0.bn",
    "model.22.cv2.2.1.bn",
    "model.22.cv3.0.0.bn",
    "model.22.cv3.0.1.bn",
    "model.22.cv3.1.0.bn",
    "model.22.cv3.1.1.bn",
    "model.22.cv3.2.0.bn",
    "model.22.cv3.2.1.bn",
];

/// Minimum number of channels that a layer keeps.
const FLOOR: usize = 8;

/// The layers of [`Preset::Original`] with their scales.
pub(crate) struct OriginalRanking<'a> {
    coupling: &'a Coupling,
    policy: PrunePolicy,
    layers: Vec<Layer>,
    /// |gamma| of every batch-norm channel of the network, descending.
    sorted: Vec<f32>,
}

/// One pruned layer: |gamma| and sets, lowest first.
struct Layer {
    gammas: Vec<f32>,
    sets: Vec<usize>,
}

impl<'a> OriginalRanking<'a> {
    /// # Errors
    /// [`PruneError::PresetLayer`] if a layer is missing or coupled to others; [`PruneError::Checkpoint`],
    /// [`PruneError::NotFinite`], [`PruneError::NothingProtected`].
    pub(crate) fn new(candidates: &Candidates<'a>, policy: &PrunePolicy) -> Result<Self, PruneError> {
        let coupling = candidates.coupling;
        let gammas = Gammas::new(coupling.graph(), candidates.weights)?;
        let protected = protected_sets(coupling, &policy.protect)?;
        let mut layers = Vec::new();
        for pattern in PRUNED {
            let is_norm = |op: &Op| matches!(op, Op::BatchNorm { .. });
            let nodes = coupling.graph().iter();
            let mut found =
                nodes.filter(|(_, n)| is_norm(n.op()) && matches(pattern, n.name())).map(|(id, _)| id);
            let Some(first) = found.next() else {
                return Err(refusal(format!("there is no batch norm `{pattern}`")));
            };
            for norm in std::iter::once(first).chain(found) {
                let mut layer = Vec::new();
                for (channel, set) in free_sets(coupling, norm)?.into_iter().enumerate() {
                    layer.push((gammas.get(Member { node: norm, channel }), set));
                }
                if layer.iter().any(|(_, set)| protected[*set]) {
                    continue;
                }
                layer.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
                let (gammas, sets) = layer.into_iter().unzip();
                layers.push(Layer { gammas, sets });
            }
        }
        let mut sorted = gammas.all();
        sorted.sort_by(|a, b| b.total_cmp(a));
        Ok(Self { coupling, policy: policy.without_floors(), layers, sorted })
    }

    /// Number of channels that a layer loses after its threshold was halved often enough.
    fn lost(layer: &Layer, mut threshold: f32) -> usize {
        let below = |threshold: f32| layer.gammas.partition_point(|g| *g < threshold);
        if layer.gammas.len() < FLOOR {
            return 0;
        }
        while layer.gammas.len() - below(threshold) < FLOOR {
            threshold *= 0.5;
        }
        below(threshold)
    }
}

impl Ranking for OriginalRanking<'_> {
    fn at(&self, ratio: f64) -> Choice {
        let mut choice = Choice::none(self.coupling);
        let last = self.sorted.len() - 1;
        let threshold = self.sorted[share_of(1.0 - ratio, self.sorted.len()).min(last)];
        for layer in &self.layers {
            let asked = layer.gammas.partition_point(|g| *g < threshold);
            let lost = Self::lost(layer, threshold);
            if lost < asked {
                let (kept, guard) = self.policy.kept_count(layer.sets.len(), lost);
                let lost = layer.sets.len() - kept;
                layer.sets[..lost].iter().for_each(|set| choice.removed[*set] = true);
                choice.note(self.coupling, &layer.sets, asked, lost, guard.unwrap_or(Guard::SeedFloor));
            } else {
                choice.take(self.coupling, &self.policy, &layer.sets, asked);
            }
        }
        choice
    }

    fn ratios(&self) -> Vec<f64> {
        let n = self.sorted.len();
        (0..=n).map(|k| k as f64 / n as f64).collect()
    }

    fn safe_limit(&self) -> Option<SafeLimit> {
        let best = |layer: &Layer| layer.gammas.last().copied().unwrap_or(0.0);
        let weakest = self.layers.iter().min_by(|a, b| best(a).total_cmp(&best(b)))?;
        // The threshold may equal that gamma, because channels at the threshold stay.
        let index = self.sorted.partition_point(|g| *g > best(weakest));
        let ratio = 1.0 - index as f64 / self.sorted.len() as f64;
        Some(SafeLimit { ratio, conv: conv_of(self.coupling, *weakest.sets.first()?) })
    }

    /// A slightly higher threshold may be halved where a lower one was not.
    fn is_monotone(&self) -> bool {
        false
    }
}

/// The set of each channel of a batch norm; an error if a set is pinned or contains another batch norm.
fn free_sets(coupling: &Coupling, norm: NodeId) -> Result<Vec<usize>, PruneError> {
    let node = coupling.graph().node(norm);
    let free = |channel| {
        let set = coupling.set_of(Member { node: norm, channel });
        if let Some(pin) = coupling.sets()[set].pin {
            let reason = pin.describe(coupling.graph());
            return Err(refusal(format!("channel {channel} of `{}` must stay: {reason}", node.name())));
        }
        match coupling.gammas(set).find(|m| m.node != norm) {
            Some(other) => {
                let other = coupling.graph().node(other.node).name();
                Err(refusal(format!("channel {channel} of `{}` is coupled to `{other}`", node.name())))
            }
            None => Ok(set),
        }
    };
    (0..node.channels()).map(free).collect()
}

const fn refusal(reason: String) -> PruneError {
    PruneError::PresetLayer { preset: Preset::Original, reason }
}
