//! [`PruneError`]: why channels cannot be scored, chosen or removed.

use bonsai_checkpoint::CheckpointError;
use bonsai_graph::GraphError;

/// Any error that a caller's closure returns.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A rule that a plan, a policy or a model violates.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PruneError {
    /// The plan keeps one of two coupled channels and removes the other.
    #[error(
        "`{kept}` keeps channel {kept_channel} but `{dropped}` removes channel {dropped_channel}, and these \
         two channels are coupled: keep both or remove both"
    )]
    Uncoupled {
        /// The convolution that keeps its channel.
        kept: String,
        /// The channel it keeps.
        kept_channel: usize,
        /// The convolution that removes its channel.
        dropped: String,
        /// The channel it removes.
        dropped_channel: usize,
    },
    /// The plan removes a channel that must stay.
    #[error("the plan removes channel {channel} of `{layer}`, which must stay: {reason}")]
    Pinned {
        /// The convolution.
        layer: String,
        /// The channel that must stay.
        channel: usize,
        /// Why the channel must stay.
        reason: String,
    },
    /// The plan names a layer that is not a convolution of the network.
    #[error(
        "the plan names `{layer}`, which is no convolution of this network: is it the plan of another model?"
    )]
    UnknownLayer {
        /// Layer name in the plan.
        layer: String,
    },
    /// The plan has no entry for a convolution.
    #[error("the plan has no line for convolution `{layer}`: add one, or create the plan again")]
    MissingLayer {
        /// The convolution.
        layer: String,
    },
    /// The plan names a convolution twice.
    #[error("the plan names `{layer}` twice: keep one line")]
    DuplicateLayer {
        /// The convolution.
        layer: String,
    },
    /// The plan was made for a layer of another width.
    #[error(
        "the plan is for `{layer}` with {expected} channels, this network's has {got}: create the plan again"
    )]
    Channels {
        /// The convolution.
        layer: String,
        /// Channels according to the plan.
        expected: usize,
        /// Channels of the network.
        got: usize,
    },
    /// The plan was made for another network whose convolutions look the same.
    #[error(
        "the plan is for network {expected}, but this network is {got} (same convolutions, but other layers differ): \
         create the plan again"
    )]
    OtherNetwork {
        /// Fingerprint in the plan.
        expected: String,
        /// Fingerprint of the network.
        got: String,
    },
    /// The plan leaves a layer without channels.
    #[error("the plan removes all {channels} channels of `{layer}`: keep at least one")]
    EmptiedLayer {
        /// The layer.
        layer: String,
        /// How many channels it has.
        channels: usize,
    },
    /// A list of kept channels cannot be read.
    #[error("`{layer}`: cannot read the kept channels {text:?}: {reason}")]
    KeepList {
        /// The convolution.
        layer: String,
        /// The list.
        text: String,
        /// What is wrong and what was expected.
        reason: String,
    },
    /// This program does not support the plan's version.
    #[error("the plan has version {got}; this program reads version {expected}: update the program")]
    Version {
        /// The version found.
        got: u32,
        /// The version that can be read.
        expected: u32,
    },
    /// The text is not a plan in JSON.
    #[error("the text is not a prune plan")]
    Json(#[from] serde_json::Error),
    /// A number of the policy is out of range.
    #[error("prune policy: {field} is {got}, must be {expected}")]
    Policy {
        /// Name of the setting.
        field: &'static str,
        /// What it is.
        got: String,
        /// The accepted range, in words.
        expected: &'static str,
    },
    /// A pattern of layers to protect matches no layer.
    #[error(
        "no convolution or batch norm matches the protected pattern {pattern:?}; `*` matches any run of \
         characters"
    )]
    NothingProtected {
        /// The pattern.
        pattern: String,
    },
    /// The ratio would remove all channels of a layer, and `clamp` is off.
    #[error(
        "prune ratio {ratio:.4} would remove all {channels} channels of `{layer}`; the largest safe ratio is \
         {safe:.4}: lower prune_ratio, or set clamp = true so that such layers keep some channels"
    )]
    EmptyingRatio {
        /// The first convolution of the group.
        layer: String,
        /// Channel sets of the group.
        channels: usize,
        /// The configured ratio.
        ratio: f64,
        /// The largest ratio at which no group is emptied.
        safe: f64,
    },
    /// No ratio reaches the target cost.
    #[error(
        "target {target} cannot be reached: with every channel removed that the guards allow, {left} remain \
         ({guards}); raise the target or relax the guards"
    )]
    UnreachableTarget {
        /// The target, in words.
        target: String,
        /// The lowest cost that can be reached, in words.
        left: String,
        /// The guards, in words.
        guards: String,
    },
    /// A layer that a preset prunes by name differs from the stock YOLOv8.
    #[error(
        "preset {preset} needs a stock YOLOv8: {reason} (or use preset group, which works for any network)"
    )]
    PresetLayer {
        /// The preset.
        preset: crate::Preset,
        /// Which layer differs, and how.
        reason: String,
    },
    /// The scores were computed for another graph.
    #[error(
        "the scores are for {got} channel sets, but this network has {expected}: compute scores for this network"
    )]
    ScoresMismatch {
        /// Sets of the network.
        expected: usize,
        /// Sets scored.
        got: usize,
    },
    /// A set that should be removed does not exist.
    #[error("channel set {set} does not exist; this network has {sets} sets, numbered from 0")]
    UnknownSet {
        /// Its number.
        set: usize,
        /// Number of sets in the network.
        sets: usize,
    },
    /// A parameter, gradient or statistic is not finite, so channels cannot be compared.
    #[error(
        "`{param}` is {value} in channel {channel}: the training has diverged; use an earlier checkpoint"
    )]
    NotFinite {
        /// The parameter.
        param: String,
        /// The channel.
        channel: usize,
        /// The value.
        value: f32,
    },
    /// A name that is not in the list of known names.
    #[error("unknown {what} {got:?}; expected one of {known}")]
    UnknownName {
        /// What the name should select.
        what: &'static str,
        /// The name found.
        got: String,
        /// All valid names.
        known: &'static str,
    },
    /// The network has no batch norm, so no channel has a gamma that could be zero.
    #[error(
        "the network has no batch norm, so no channel can be set to zero and removed: was it folded? use the \
         checkpoint from before export"
    )]
    NoBatchNorm,
    /// [`Importance::Taylor`](crate::Importance::Taylor) without gradients.
    #[error("importance taylor needs gradients: pass a closure that computes them to `score_with_gradients`")]
    NoGradients,
    /// [`Importance::Best`](crate::Importance::Best) without a trial of the pruned networks.
    #[error("importance best needs a closure that evaluates pruned networks: pass one to `prune_best`")]
    NoTrial,
    /// A latency target without a way to measure latency.
    #[error("a latency target needs a closure that measures latency: set `PruneServices::latency`")]
    NoLatency,
    /// Reconstruction without activations of the original network.
    #[error("reconstruction needs a closure that returns activations: set `PruneServices::activations`")]
    NoActivations,
    /// There are no candidates, or no trial returned a finite number.
    #[error(
        "none of {candidates} candidates can be chosen: pass at least one, and a trial that returns a finite \
         number"
    )]
    NoCandidate {
        /// Number of candidates.
        candidates: usize,
    },
    /// The weights do not belong to the network, or a file cannot be read or written.
    #[error("the checkpoint cannot be pruned")]
    Checkpoint(#[source] Box<CheckpointError>),
    /// The image size does not fit the network.
    #[error("the cost of the network cannot be computed")]
    Graph(#[source] Box<GraphError>),
    /// A closure of the caller (measurement, training, evaluation) failed.
    #[error("{task} failed")]
    Service {
        /// What the closure should have done.
        task: String,
        /// Why it failed.
        #[source]
        source: BoxError,
    },
    /// A plan file cannot be read.
    #[error("cannot load {}", path.display())]
    Load {
        /// The file.
        path: std::path::PathBuf,
        /// Why the file cannot be read.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

// Boxed by hand: both errors are large, and every `Result` of this crate would carry their size.
impl From<CheckpointError> for PruneError {
    fn from(error: CheckpointError) -> Self {
        Self::Checkpoint(Box::new(error))
    }
}

impl From<GraphError> for PruneError {
    fn from(error: GraphError) -> Self {
        Self::Graph(Box::new(error))
    }
}
