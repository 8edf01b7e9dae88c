//! [`prune()`]: removes the least important channels of a network and returns a smaller network.
//!
//! The three steps work on the graph as data; they need no tracing, no device and no layer numbers.
//!
//! 1. [`Coupling::from_graph`] finds the channels that must be kept or removed together, and those that must
//!    stay.
//! 2. [`score`] computes the importance of every such set, and [`select`] turns scores and a [`PrunePolicy`]
//!    into a [`PrunePlan`]: kept channels per convolution, as JSON that can be reviewed and replayed.
//!    [`choose`] also supports a [`Target`] for parameters or MACs ([`choose_measured`]: for latency) and the
//!    other [`Preset`]s, and lists the layers where guards kept more channels.
//! 3. [`apply`] builds the smaller [`Checkpoint`](bonsai_checkpoint::Checkpoint), which is an ordinary
//!    checkpoint. [`apply_compensated`] also folds the constant output of removed channels into their
//!    readers.
//!
//! None of this needs a detection head: [`apply_to_graph`], [`apply_compensated_to_graph`],
//! [`report_on_graph`] and [`prune_graph`], which does it all in one call, take any graph and its weights, for
//! example those of a classifier (`examples/classifier.rs`). Only [`Preset::Original`] is for YOLOv8 alone.
//!
//! [`report()`] lists the effect of a plan in numbers, [`recalibrate`] measures batch-norm statistics again,
//! and [`iterate`] prunes in small steps with training between them. Closures of the caller run the networks.
//!
//! This law defines correct pruning: **the pruned network computes what the original computes when gamma and
//! beta of the removed channels are zero**, in evaluation and in training mode. Channels that cannot satisfy
//! the law are pinned, see [`Pin`].
//!
//! Training towards small gammas is in `bonsai-sparsity`; this crate does not run networks or fine-tune. Only
//! [`Preset::Original`] uses layer names.
//!
//! # Example
//!
//! A residual block: the stem and the block's second convolution are added, so they lose the same channels.
//!
//! ```
//! use bonsai_checkpoint::{Array, Checkpoint, Weights};
//! use bonsai_graph::{DetectHead, Graph, ModelSpec, ParamRole};
//! use bonsai_prune::{Coupling, PrunePolicy, ScoreConfig, apply, score, select};
//!
//! let graph: Graph = "
//!     x = input() channels=3
//!     stem = conv2d(x) out_channels=4 kernel=3 stride=1 padding=1 bias=false
//!     stem.bn = batch_norm(stem) eps=0.001 momentum=0.03
//!     block = conv2d(stem.bn) out_channels=4 kernel=3 stride=1 padding=1 bias=false
//!     block.bn = batch_norm(block) eps=0.001 momentum=0.03
//!     sum = add(stem.bn, block.bn)
//!     boxes = conv2d(sum) out_channels=4 kernel=1 stride=1 padding=0 bias=true
//!     classes = conv2d(sum) out_channels=1 kernel=1 stride=1 padding=0 bias=true
//!     outputs = boxes, classes
//! "
//! .parse()?;
//! let head = DetectHead {
//!     num_classes: 1,
//!     reg_max: 1,
//!     strides: vec![1],
//!     box_outputs: vec![0],
//!     cls_outputs: vec![1],
//! };
//! let mut weights: Weights =
//!     graph.params().into_iter().map(|p| (p.name, Array::zeros(&p.shape))).collect();
//! weights.insert("stem.bn.weight", Array::new(&[4], vec![0.9, 0.1, 0.8, 0.1]));
//! weights.insert("block.bn.weight", Array::new(&[4], vec![0.7, 0.2, 0.1, 0.9]));
//! let model = Checkpoint::new(ModelSpec::new(graph, head, vec!["fall".to_owned()])?, weights)?;
//!
//! let coupling = Coupling::from_graph(model.model.graph());
//! assert_eq!(coupling.prunable().count(), 4);
//! let scores = score(&coupling, &model.weights, &ScoreConfig::default())?;
//! let policy = PrunePolicy { prune_ratio: 0.25, min_channels: 1, round_to: None, ..PrunePolicy::default() };
//! let plan = select(&coupling, &scores, &policy)?;
//! // Channel 1 has mean |gamma| (0.1 + 0.2) / 2, less than any other.
//! assert_eq!(plan.keep("stem"), Some(&[0, 2, 3][..]));
//! assert_eq!(plan.keep("block"), Some(&[0, 2, 3][..]));
//!
//! let small = apply(&plan, &model)?;
//! assert_eq!(small.weights.require("block.weight")?.shape, [3, 3, 3, 3]);
//! assert_eq!(small.weights.require("boxes.weight")?.shape, [4, 3, 1, 1]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Method: Liu et al., "Learning Efficient Convolutional Networks through Network Slimming", ICCV 2017, with
//! channels coupled as in Fang et al., "DepGraph: Towards Any Structural Pruning", CVPR 2023.
#![warn(clippy::wildcard_enum_match_arm)]

mod apply;
mod candidates;
mod choose;
mod compensate;
mod contest;
mod coupling;
mod disjoint;
mod error;
mod gamma;
mod gaussian;
mod glob;
mod graph_pruning;
mod guard;
mod importance;
mod iterate;
mod keep;
mod original;
mod param;
mod pin;
mod plan;
mod policy;
mod preset;
mod pruning;
mod ranking;
mod recalibrate;
mod report;
mod score;
mod search;
mod select;
mod set_cost;
mod slim;
mod target;
mod trial;

pub use apply::{apply, apply_to_graph};
pub use candidates::Candidates;
pub use choose::{MeasureLatency, Selection, SelectionSummary, choose, choose_measured};
pub use compensate::{Compensation, apply_compensated, apply_compensated_to_graph};
pub use contest::{Contest, TrialSource, prune_best};
pub use coupling::{ChannelSet, Coupling, Member};
pub use error::{BoxError, PruneError};
pub use graph_pruning::{GraphServices, PruneConfig, PrunedGraph, prune_graph};
pub use guard::{ClampedLayer, Guard, SafeLimit};
pub use importance::{Importance, Normalisation, Per, Reduction, ScoreConfig};
pub use iterate::{IterateServices, Iterated, Iteration, PruneStep, StepRecord, Stopped, iterate};
pub use pin::Pin;
pub use plan::{LayerPlan, PrunePlan};
pub use policy::{PrunePolicy, Scope};
pub use preset::Preset;
pub use pruning::{LatencySource, PruneServices, Pruned, prune};
pub use recalibrate::{MeasureStatistics, recalibrate};
pub use report::{GammaRange, LayerReport, PruneReport, report, report_on_graph};
pub use score::{ChannelScores, GradientSource, score, score_with_gradients};
pub use select::select;
pub use target::{Target, TargetReached};
pub use trial::{Candidate, Trial};
