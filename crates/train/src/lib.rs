//! [`train`]: the training loop, with schedule, warm-up, accumulation, EMA, best and last checkpoints.
//!
//! One trainer serves baseline training, sparsity training and fine-tuning; they differ in the configuration
//! and the [`Penalty`] on batch norm. The trainer takes values and closures: an
//! [`Executor`](bonsai_exec::Executor) that holds the parameters, batches from any [`BatchSource`], a closure
//! that evaluates the averaged weights, and an [`Observer`]. It reads a checkpoint and produces checkpoints;
//! it never changes the structure of the network.
//!
//! This crate has no datasets, metrics, files or progress bars. The arithmetic follows Ultralytics 8.0's
//! recipe (SGD with Nesterov momentum or AdamW, three parameter groups, nominal batch size).
//!
//! ```
//! use bonsai_train::{Schedule, TrainConfig};
//! let config = TrainConfig { epochs: 100, batch: 16, nbs: 16, warmup_epochs: 0.0, ..TrainConfig::default() };
//! let schedule = Schedule::new(&config, 200);
//! let late = schedule.step(99 * 200, 99);
//! assert!((late.weight_lr - 0.01 * (0.01 + 0.01 * 0.99)).abs() < 1e-6);
//! ```

mod batch;
mod config;
mod distill;
mod error;
mod freeze;
mod observer;
mod optimizer;
mod pass;
mod penalty;
mod planned;
mod schedule;
mod state;
mod trainer;

pub use batch::{Batch, BatchResult, BatchSource};
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
