#![doc = include_str!("../README.md")]

mod auto_optimizer;
mod batch;
mod batch_size;
mod codes;
mod config;
mod distill;
mod error;
mod freeze;
mod observer;
mod optimizer;
mod pass;
mod penalty;
mod planned;
mod ranks;
mod schedule;
mod split_step;
mod state;
mod trainer;

pub use batch::{Batch, BatchResult, BatchSource};
pub use codes::ChooseCodes;
pub use config::TrainConfig;
pub use distill::{Distill, Distilled, Student};
pub use error::TrainError;
pub use freeze::{Freeze, FrozenModule};
pub use observer::{EpochRecord, EpochTiming, Evaluation, MeanLosses, NoObserver, Observer, StepRecord};
pub use optimizer::Optimizer;
pub use pass::output_gradients;
pub use penalty::{Penalty, PenaltyPlan, Per};
pub use planned::PlannedStep;
pub use schedule::{Schedule, StepSchedule, ema_decay};
pub use trainer::{Services, Stopped, Trained, train};
