//! L1 penalties on batch-norm gamma and beta: strengths, schedules, travel, statistics.
//!
//! A penalty on the scales of batch norm pulls those of unimportant channels towards zero, so that pruning
//! can separate important channels from unimportant ones (Liu et al., "Learning Efficient Convolutional
//! Networks through Network Slimming", ICCV 2017). This crate computes how far a penalty can move a gamma
//! over a training ([`Travel`]), how strong it must be for that ([`L1Plan`]), how strong it is in each epoch
//! ([`L1Schedule`]), and its effect ([`GammaStatistics`], [`Outcome`]).
//!
//! Invariant: the crate works on plain numbers and slices; the training loop applies them.
//! [`add_l1_to_gradient`] is the whole rule for a training loop of your own; [`shrink()`] and
//! [`add_group_lasso_to_gradient`] are alternatives. With feature `candle`, `add_l1`, `add_scaled_l1` and
//! `shrink_var` do the same for a candle `GradStore` and `Var`. This crate neither trains nor prunes.
//!
//! ```
//! use bonsai_sparsity::{L1Plan, PlannedStep};
//!
//! // 50 epochs of 13 updates at a constant learning rate.
//! let steps = (0..650).map(|i| PlannedStep {
//!     epoch: i / 13,
//!     gamma_lr: 0.01,
//!     beta_lr: 0.01,
//!     momentum: 0.937,
//!     times: 1.0,
//! });
//! // The widely used strength is too weak for such a short training.
//! let seed = L1Plan::ORIGINAL.forecast(50, steps.clone())?;
//! assert_eq!(seed.schedule.at(0, 50).gamma, 1e-2);
//! assert!(seed.gamma.warning().unwrap().contains("650 updates"));
//!
//! // A strength chosen by travel. `L1Plan::DEFAULT` chooses the strength by the loss, see `BoundedL1`.
//! let enough = L1Plan::TRAVEL.forecast(50, steps)?;
//! assert_eq!(enough.gamma.to_string(), "L1 alone can move a gamma by 1.50 in 650 updates");
//! assert!(enough.schedule.gamma > 2.5 * seed.schedule.gamma);
//! # Ok::<(), bonsai_sparsity::PlanError>(())
//! ```

mod bounded;
#[cfg(feature = "candle")]
mod candle;
mod decay;
mod gradient;
mod outcome;
mod plan;
mod schedule;
mod schedule_error;
mod statistics;
mod strength;
mod summary;
mod travel;

pub use bounded::{BoundedL1, BoundedPlan};
#[cfg(feature = "candle")]
pub use candle::{add_l1, add_scaled_l1, shrink_var};
pub use decay::Decay;
pub use gradient::{add_group_lasso_to_gradient, add_l1_to_gradient, shrink};
pub use outcome::Outcome;
pub use plan::{L1Forecast, L1Plan, PlanError, PlannedStep};
pub use schedule::{L1, L1Schedule};
pub use schedule_error::ScheduleError;
pub use statistics::{GammaStatistics, LayerGammas, StatisticsError};
pub use strength::Strength;
pub use summary::{GammaSummary, Histogram};
pub use travel::{PlannedUpdate, Travel};
