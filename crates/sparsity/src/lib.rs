//! L1 on batch-norm gamma and beta: schedules, travel, statistics.
//!
//! A penalty on the scales of batch norm pulls those of unimportant channels towards zero, so that pruning can
//! tell channels apart (Liu et al., "Learning Efficient Convolutional Networks through Network Slimming",
//! ICCV 2017). This crate says how strong the penalty is in each epoch ([`L1Schedule`]), whether a training is
//! long enough for it to matter ([`Travel`]), and what it achieved ([`GammaStatistics`]).
//!
//! Invariant: everything is plain numbers and slices; whoever trains applies them. [`add_l1_to_gradient`] is the
//! whole rule, for a training loop of one's own; with feature `candle`, `add_l1` does the same to a candle
//! `GradStore`. This crate neither trains nor prunes.
//!
//! ```
//! use bonsai_sparsity::{L1Schedule, PlannedUpdate, Travel};
//!
//! let schedule = L1Schedule::SEED;
//! assert_eq!(schedule.at(0, 50).gamma, 1e-2);
//!
//! // 50 epochs of 13 updates at a constant learning rate: too short for that schedule.
//! let updates = (0..650).map(|i| PlannedUpdate {
//!     lr: 0.01,
//!     lambda: f64::from(schedule.at(i / 13, 50).gamma),
//!     momentum: 0.937,
//! });
//! let travel = Travel::of(updates);
//! assert!(!travel.is_enough());
//! assert!(travel.warning().unwrap().contains("650 updates"));
//! ```

#[cfg(feature = "candle")]
mod candle;
mod gradient;
mod schedule;
mod statistics;
mod summary;
mod travel;

#[cfg(feature = "candle")]
pub use candle::add_l1;
pub use gradient::add_l1_to_gradient;
pub use schedule::{Decay, L1, L1Schedule, ScheduleError};
pub use statistics::{GammaStatistics, LayerGammas, StatisticsError};
pub use summary::{GammaSummary, Histogram};
pub use travel::{PlannedUpdate, Travel};
