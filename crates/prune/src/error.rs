//! Why channels cannot be scored, chosen or removed.

use bonsai_checkpoint::CheckpointError;
use bonsai_graph::GraphError;

/// An error of whatever kind, from a caller's closure.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A rule that a plan, a policy or a model breaks.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PruneError {
    /// The plan keeps one of two channels that belong together and removes the other.
    #[error(
        "`{kept}` keeps channel {kept_channel} but `{dropped}` removes channel {dropped_channel}, and these \
         two can only go together: keep both or neither"
    )]
    Uncoupled {
        /// The convolution that keeps.
        kept: String,
        /// Its channel.
        kept_channel: usize,
        /// The convolution that removes.
        dropped: String,
        /// Its channel.
        dropped_channel: usize,
    },
    /// The plan removes a channel that must stay.
    #[error("the plan removes channel {channel} of `{layer}`, which must stay: {reason}")]
    Pinned {
        /// The convolution.
        layer: String,
        /// Its channel.
        channel: usize,
        /// What it belongs to.
        reason: String,
    },
    /// The plan names a layer that is no convolution of the network.
    #[error(
        "the plan names `{layer}`, which is no convolution of this network: is it the plan of another model?"
    )]
    UnknownLayer {
        /// The name.
        layer: String,
    },
    /// The plan says nothing about a convolution.
    #[error("the plan has no line for convolution `{layer}`: add one, or make the plan anew")]
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
    /// The plan was made for another width.
    #[error(
        "the plan is for `{layer}` with {expected} channels, this network's has {got}: make the plan anew"
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
    #[error("the plan is for network {expected}, this one is {got} (wired otherwise): make the plan anew")]
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
    /// The plan has a version that this program does not know.
    #[error("the plan has version {got}; this program reads version {expected}: update it")]
    Version {
        /// The version found.
        got: u32,
        /// The version that can be read.
        expected: u32,
    },
    /// The text is no plan.
    #[error("not a prune plan")]
    Json(#[from] serde_json::Error),
    /// A number of the policy is out of range.
    #[error("prune policy: {field} is {got}, must be {expected}")]
    Policy {
        /// Which number.
        field: &'static str,
        /// What it is.
        got: String,
        /// The accepted range, in words.
        expected: &'static str,
    },
    /// A pattern of layers to protect matches none.
    #[error(
        "no convolution or batch norm matches the protected pattern {pattern:?}; `*` matches any run of \
         characters"
    )]
    NothingProtected {
        /// The pattern.
        pattern: String,
    },
    /// The ratio would take all channels of a layer, and the policy does not let guards hold it back.
    #[error(
        "prune ratio {ratio:.4} would remove all {channels} channels of `{layer}`; the largest safe ratio is \
         {safe:.4}: lower prune_ratio, or set clamp = true to let such layers keep some"
    )]
    EmptyingRatio {
        /// The first convolution of the group.
        layer: String,
        /// Channel sets of the group.
        channels: usize,
        /// The ratio asked for.
        ratio: f64,
        /// The largest at which no group is emptied.
        safe: f64,
    },
    /// No ratio makes the network as cheap as asked.
    #[error(
        "target {target} cannot be reached: with every channel removed that the guards allow, {left} remain \
         ({guards}); raise the target or loosen the guards"
    )]
    UnreachableTarget {
        /// The target, in words.
        target: String,
        /// The least that can be reached, in words.
        left: String,
        /// The guards, in words.
        guards: String,
    },
    /// A layer that a preset prunes by name is not as in the stock YOLOv8.
    #[error("preset {preset} needs a stock YOLOv8: {reason} (use preset group, which needs no names)")]
    PresetLayer {
        /// The preset.
        preset: crate::Preset,
        /// Which layer, and what is wrong with it.
        reason: String,
    },
    /// Scores and coupling are those of different graphs.
    #[error("scores are for {got} channel sets, this network has {expected}: score this network")]
    ScoresMismatch {
        /// Sets of the network.
        expected: usize,
        /// Sets scored.
        got: usize,
    },
    /// A set that was to be removed does not exist.
    #[error("channel set {set} does not exist; this network has {sets}")]
    UnknownSet {
        /// Its number.
        set: usize,
        /// How many there are.
        sets: usize,
    },
    /// A scale is infinite or no number, so channels cannot be compared.
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
    /// A name that is none of those known.
    #[error("unknown {what} {got:?}: it is one of {known}")]
    UnknownName {
        /// What it should name.
        what: &'static str,
        /// The name.
        got: String,
        /// All there are.
        known: &'static str,
    },
    /// A network that cannot be pruned, because nothing in it could be brought to zero.
    #[error(
        "the network has no batch norm, so no channel can be silenced and removed: was it folded? use the checkpoint \
         from before export"
    )]
    NoBatchNorm,
    /// Scores by gradients, and no gradients.
    #[error("importance taylor needs gradients: pass what computes them to `score_with_gradients`")]
    NoGradients,
    /// The best of several importances, and nothing that tries them.
    #[error("importance best needs a trial of pruned networks: pass one to `prune_best`")]
    NoTrial,
    /// A target of latency, and nothing to measure it with.
    #[error("a latency target needs a measurement: pass one in the services of `prune`")]
    NoLatency,
    /// Rankings to choose among, and none that a trial says anything about.
    #[error(
        "none of {candidates} rankings can be chosen: give at least one, and a trial that answers with a finite number"
    )]
    NoCandidate {
        /// How many there were.
        candidates: usize,
    },
    /// The weights do not belong to the network, or a file cannot be used.
    #[error("the checkpoint cannot be pruned")]
    Checkpoint(#[source] Box<CheckpointError>),
    /// The network does not fit the image size.
    #[error("the network cannot be measured")]
    Graph(#[source] Box<GraphError>),
    /// Something that the caller lent (a clock, a training, an evaluation) has failed.
    #[error("{task} failed")]
    Service {
        /// What it was to do.
        task: String,
        /// Why it could not.
        #[source]
        source: BoxError,
    },
    /// A plan's file cannot be used.
    #[error("cannot load {}", path.display())]
    Load {
        /// The file.
        path: std::path::PathBuf,
        /// What is wrong with it.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

// Boxed by hand: both are large, and every function here would carry their size in its result.
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
