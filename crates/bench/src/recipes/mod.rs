//! The bench of recipes: what whole roads from a baseline to a pruned network are worth, over datasets, seeds and sizes.
//!
//! Every recipe is compared with the *dense control*, the baseline trained on for as many epochs without pruning, on the same
//! images. Runs lie side by side in the folder of their dataset, so that a stage which several of them have is made once
//! ([`bonsai_pipeline::sweep`]). What is trained is the caller's to start, in this process or in others; this module says which runs
//! there are, measures what they left, and makes the table.

mod measured;
mod plan;
mod recipe;
mod table;

pub use measured::{Figures, measure_runs};
pub use plan::{BenchDataset, BenchRun, DatasetSource, RecipeBench};
pub use recipe::Recipe;
pub use table::{RecipeTable, TableRow, recipe_table};
