//! [`RecipeBench`]: compares whole recipes, from a baseline to a pruned network, over datasets, seeds and
//! sizes.
//!
//! Every recipe is compared with the *dense control* on the same images: the baseline trained on for as many
//! epochs without pruning. The runs lie side by side in the folder of their dataset, so that a stage that
//! several of them have in common is made once ([`bonsai_pipeline::neighbours`]). The caller starts the runs, in
//! this process or in others. This module plans them, evaluates their networks, and makes the table.

mod dataset;
mod measured;
mod plan;
mod recipe;
mod table;

pub use dataset::{BenchDataset, DatasetSource};
pub use measured::{Figures, measure_runs};
pub use plan::{BenchRun, RecipeBench};
pub use recipe::Recipe;
pub use table::{RecipeTable, TableRow, recipe_table};
