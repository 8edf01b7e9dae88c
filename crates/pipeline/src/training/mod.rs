//! [`train_run`]: one training in a folder as users know it from Ultralytics: `weights/best`, `results.csv`,
//! pictures.

mod args;
mod flat_gains;
mod folder;
pub(crate) mod pictures;
mod records;
mod results_csv;
mod run;
mod settled;
mod trained_on;

pub use args::TrainRunConfig;
pub use folder::TrainDir;
pub use results_csv::{Results, ResultsRow};
pub use run::{Resume, TrainOutcome, saved_args, train_run};
