//! [`RecipeTable`]: every recipe compared with its dense control, as means over the seeds.

use std::fmt::Write as _;

use anyhow::Result;
use bonsai_metrics::{Change, ImageOutcomes};
use serde::Serialize;

use super::{BenchRun, Figures, RecipeBench};

/// Number of resamples for an interval: its ends vary by about 0.001.
const RESAMPLES: usize = 200;

/// A recipe on a dataset at one fraction of the MACs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TableRow {
    /// Name of the dataset.
    pub dataset: String,
    /// Name of the recipe; `None` for a dense control.
    pub recipe: Option<String>,
    /// Target fraction of the MACs.
    pub macs: f64,
    /// Mean fraction of the MACs that is left.
    pub macs_left: f64,
    /// The seeds whose runs have metrics.
    pub seeds: Vec<u64>,
    /// Number of seeds that have a dense control to compare with; for a control, the number of its seeds.
    pub pairs: usize,
    /// Mean number of epochs of all trainings.
    pub epochs: f64,
    /// Mean mAP50-95 on the validation split.
    pub val: f64,
    /// Mean mAP50 on the test split.
    pub test_map50: f64,
    /// Mean mAP50-95 on the test split.
    pub test: f64,
    /// Name of the split that `test` was measured on.
    pub test_split: String,
    /// Change of mAP50-95 on the validation split from the dense control, with its 95 % interval over the
    /// images.
    pub val_change: Option<Change>,
    /// Change of mAP50-95 on the test split from the dense control, with its 95 % interval over the images.
    pub test_change: Option<Change>,
    /// The smallest and the largest change on the test split among the seeds.
    pub seed_range: Option<[f64; 2]>,
    /// Mean processor minutes of a run, the baseline's included; `None` if they are not known for a stage.
    pub cpu_minutes: Option<f64>,
}

/// The rows of a bench and the runs that are missing.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RecipeTable {
    /// Rows by dataset, then by fraction of the MACs, the dense controls first.
    pub rows: Vec<TableRow>,
    /// Runs without metrics.
    pub missing: Vec<String>,
}

/// Makes the table from the metrics of the runs.
///
/// # Errors
/// If two networks on one dataset were evaluated on different images.
pub fn recipe_table(bench: &RecipeBench, figures: &[Option<Figures>]) -> Result<RecipeTable> {
    let all: Vec<(&BenchRun, &Figures)> =
        bench.runs.iter().zip(figures).filter_map(|(run, f)| Some((run, f.as_ref()?))).collect();
    let mut missing: Vec<String> = bench
        .runs
        .iter()
        .zip(figures)
        .filter(|(_, f)| f.is_none())
        .map(|(run, _)| format!("{}/{}", run.dataset, run.name()))
        .collect();
    missing.sort();
    let mut rows: Vec<TableRow> = Vec::new();
    for (run, _) in &all {
        let same = |other: &BenchRun| {
            (&other.dataset, &other.recipe, other.macs.to_bits(), other.epochs)
                == (&run.dataset, &run.recipe, run.macs.to_bits(), run.epochs)
        };
        let group: Vec<_> = all.iter().filter(|(other, _)| same(other)).copied().collect();
        if group.first().is_some_and(|(first, _)| std::ptr::eq(*first, *run)) {
            rows.push(row(&group, &all)?);
        }
    }
    rows.sort_by(|a, b| {
        (&a.dataset, a.recipe.is_some())
            .cmp(&(&b.dataset, b.recipe.is_some()))
            .then(b.macs.total_cmp(&a.macs))
            .then_with(|| a.recipe.cmp(&b.recipe))
    });
    Ok(RecipeTable { rows, missing })
}

fn row(group: &[(&BenchRun, &Figures)], all: &[(&BenchRun, &Figures)]) -> Result<TableRow> {
    let (first, measured) = group[0];
    let mean =
        |of: &dyn Fn(&Figures) -> f64| group.iter().map(|(_, f)| of(f)).sum::<f64>() / group.len() as f64;
    let pairs: Vec<(&Figures, &Figures)> = group
        .iter()
        .filter(|(run, _)| run.recipe.is_some())
        .filter_map(|(run, figures)| {
            let is_control = |other: &BenchRun| {
                other.recipe.is_none()
                    && (&other.dataset, other.seed, other.epochs) == (&run.dataset, run.seed, run.epochs)
            };
            all.iter().find(|(other, _)| is_control(other)).map(|(_, dense)| (*dense, *figures))
        })
        .collect();
    let change = |of: fn(&Figures) -> &ImageOutcomes| -> Result<Option<Change>> {
        let outcomes: Vec<_> = pairs.iter().map(|(dense, pruned)| (of(dense), of(pruned))).collect();
        if outcomes.is_empty() {
            return Ok(None);
        }
        Ok(Some(ImageOutcomes::mean_change(&outcomes, RESAMPLES, 0)?.map50_95))
    };
    let differences: Vec<f64> = pairs.iter().map(|(dense, pruned)| pruned.test[1] - dense.test[1]).collect();
    let seed_range =
        differences.iter().copied().reduce(f64::min).zip(differences.iter().copied().reduce(f64::max));
    let dense_macs = pairs.first().map(|(dense, _)| dense.macs as f64);
    Ok(TableRow {
        dataset: first.dataset.clone(),
        recipe: first.recipe.clone(),
        macs: first.macs,
        macs_left: dense_macs.map_or(first.macs, |dense| mean(&|f| f.macs as f64) / dense),
        seeds: group.iter().map(|(run, _)| run.seed).collect(),
        pairs: if first.recipe.is_some() { pairs.len() } else { group.len() },
        epochs: mean(&|f| f.epochs as f64),
        val: mean(&|f| f.val[1]),
        test_map50: mean(&|f| f.test[0]),
        test: mean(&|f| f.test[1]),
        test_split: measured.test_split.clone(),
        val_change: change(|f| &f.val_outcomes)?,
        test_change: change(|f| &f.test_outcomes)?,
        seed_range: seed_range.map(|(low, high)| [low, high]),
        cpu_minutes: group
            .iter()
            .map(|(_, f)| f.cpu_seconds)
            .sum::<Option<f64>>()
            .map(|seconds| seconds / 60.0 / group.len() as f64),
    })
}

impl RecipeTable {
    /// The table as Markdown.
    pub fn markdown(&self) -> String {
        let mut text = "| dataset | recipe | MACs | seeds | epochs | val | test mAP50 | test mAP50-95 | val \u{2212} dense | \
                        test \u{2212} dense (95 % over images) | over seeds | CPU min |\n\
                        |---|---|---:|---:|---:|---:|---:|---:|---:|---|---|---:|\n"
            .to_owned();
        for row in &self.rows {
            let signed = |value: f64| format!("{value:+.3}");
            // Writing to a string cannot fail.
            let _ = writeln!(
                text,
                "| {} | {} | {:.3} | {} | {:.0} | {:.3} | {:.3} | {:.3} | {} | {} | {} | {} |",
                row.dataset,
                row.recipe.as_deref().unwrap_or("dense"),
                row.macs_left,
                if row.pairs == row.seeds.len() {
                    row.pairs.to_string()
                } else {
                    format!("{} ({} paired)", row.seeds.len(), row.pairs)
                },
                row.epochs,
                row.val,
                row.test_map50,
                row.test,
                row.val_change.map_or_else(String::new, |c| signed(c.difference())),
                row.test_change.map_or_else(String::new, |c| {
                    format!("{} ({} to {})", signed(c.difference()), signed(c.low), signed(c.high))
                }),
                row.seed_range.map_or_else(String::new, |[low, high]| format!(
                    "{} to {}",
                    signed(low),
                    signed(high)
                )),
                row.cpu_minutes.map_or_else(String::new, |minutes| format!("{minutes:.1}"))
            );
        }
        if !self.missing.is_empty() {
            let _ = writeln!(text, "\nNot trained yet: {}.", self.missing.join(", "));
        }
        text
    }
}
