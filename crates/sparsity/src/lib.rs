#![doc = include_str!("../README.md")]

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
pub use outcome::L1Outcome;
pub use plan::{L1Forecast, L1Plan, L1PlanError, PlannedStep};
pub use schedule::{L1, L1Schedule};
pub use schedule_error::ScheduleError;
pub use statistics::{GammaStatistics, LayerGammas, StatisticsError};
pub use strength::Strength;
pub use summary::{GammaSummary, Histogram};
pub use travel::{PlannedUpdate, Travel};
