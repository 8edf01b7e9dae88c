//! [`gather`]: the results of the runs of a sweep, one row each, also for runs that are not done.

use std::path::Path;

use anyhow::Result;
use bonsai_checkpoint::write_file;
use bonsai_pipeline::{Manifest, PipelineConfig, Report, RunDir, Stage, is_current, load_settings};
use bonsai_plots::{TradeoffPoint, draw_tradeoff};
use bonsai_stages::{load_json, save_json, write_picture};

use super::means::means;
use super::row::{Figures, Outcome, Point, SweepRow};
use super::table::SweepTable;
use super::{Sweep, SweepRun, failure_file};

/// Half the width of the band around the baseline in the picture, in mAP50-95.
const NEAR: f64 = 0.01;

/// Reads the reports of all runs and writes `sweep.md`, `results.json` and `sweep.png` beside them.
///
/// # Errors
/// If a file cannot be written. A run without a readable report gives a row with the reason.
pub fn gather(sweep: &Sweep) -> Result<SweepTable> {
    let rows = sweep.runs().iter().map(|run| {
        let outcome = figures(sweep, run).map_or_else(Outcome::NotDone, Outcome::Done);
        SweepRow { run: run.clone(), outcome }
    });
    let mut table = SweepTable { schema: 1, rows: rows.collect(), means: Vec::new() };
    table.rows.sort_by(|a, b| {
        let by = |row: &SweepRow| (row.run.preset.clone(), row.run.seed);
        a.run.prune_ratio.total_cmp(&b.run.prune_ratio).then_with(|| by(a).cmp(&by(b)))
    });
    mark_best(&mut table);
    table.means = means(table.done());
    let file = |name: &str| sweep.root().join(name);
    write_file(file("sweep.md"), table.markdown().as_bytes())?;
    save_json(&file("results.json"), &table)?;
    draw(&table, &file("sweep.png"))?;
    Ok(table)
}

/// The results of a run, or the reason why there are none.
fn figures(sweep: &Sweep, run: &SweepRun) -> Result<Figures, String> {
    let dir = &sweep.dir(run);
    let Some(made) = dir.completed(Stage::Report) else { return Err(unfinished(dir)) };
    let in_words = |error| format!("{error:#}");
    let config = load_settings(&PipelineConfig::default(), &sweep.config_file(run)).map_err(in_words)?;
    // The stages between fine-tuning and the report depend on this machine's programs, so only the report's
    // own inputs are compared.
    let is_as_read = |(stage, digest): (&Stage, &String)| {
        dir.completed(*stage).and_then(|made| made.digest().ok()).is_some_and(|now| now == *digest)
    };
    let is_new = is_current(&config, dir, Stage::Finetune).map_err(in_words)?;
    if !is_new || !made.inputs.iter().all(is_as_read) {
        return Err("its report is of other settings or of an earlier run: run it again".to_owned());
    }
    let file = dir.stage(Stage::Report).join("report.json");
    let report: Report = load_json(&file).map_err(|error| format!("{error:#}"))?;
    let point = |name: &str| {
        let row = report.row(name).ok_or_else(|| format!("its report has no row `{name}`"))?;
        let map50_95 = row.map50_95;
        let latency_ms = row.latency.p50_ms;
        Ok::<_, String>(Point { map50_95, latency_ms, macs: row.macs, params: row.params })
    };
    let network = point("fine-tuned")?;
    let baseline = point("baseline")?;
    Ok(Figures { network, baseline, best_for_latency: false, best_for_macs: false })
}

fn unfinished(dir: &RunDir) -> String {
    if let Some(reason) = failure_file(dir).and_then(|file| std::fs::read_to_string(file).ok()) {
        return format!("failed: {}", reason.trim());
    }
    let is_made = |stage: &Stage| Manifest::load(&dir.stage(*stage).join(Manifest::FILE)).is_ok();
    let stages = load_settings(&PipelineConfig::default(), &dir.config())
        .map_or_else(|_| Stage::ALL.to_vec(), |config| config.stages());
    match stages.into_iter().find(|stage| !is_made(stage)) {
        Some(Stage::Dataset) => "not begun".to_owned(),
        Some(stage) => format!("not finished: stage `{stage}` is not complete"),
        None => "its report was changed after it was made".to_owned(),
    }
}

/// Marks the runs that no other run beats in both accuracy and cost.
fn mark_best(table: &mut SweepTable) {
    let points: Vec<Point> = table.done().map(|(_, figures)| figures.network).collect();
    let beaten = |point: &Point, cost: fn(&Point) -> f64| {
        points.iter().any(|other| {
            let cheaper = cost(other) <= cost(point);
            let better = other.map50_95 >= point.map50_95;
            let strictly = cost(other) < cost(point) || other.map50_95 > point.map50_95;
            cheaper && better && strictly
        })
    };
    for row in &mut table.rows {
        if let Outcome::Done(figures) = &mut row.outcome {
            figures.best_for_latency = !beaten(&figures.network, |point| point.latency_ms);
            figures.best_for_macs = !beaten(&figures.network, |point| point.macs as f64);
        }
    }
}

fn draw(table: &SweepTable, file: &Path) -> Result<()> {
    let costs = |point: &Point| [point.latency_ms, point.macs as f64 / 1e6];
    let mut points = Vec::new();
    for (run, Figures { network, baseline, best_for_latency, best_for_macs }) in table.done() {
        let best = [*best_for_latency, *best_for_macs];
        points.push(TradeoffPoint {
            name: run.name.clone(),
            costs: costs(network),
            map: network.map50_95,
            best,
            is_baseline: false,
        });
        points.push(TradeoffPoint {
            name: "baseline".to_owned(),
            costs: costs(baseline),
            map: baseline.map50_95,
            best: [false; 2],
            is_baseline: true,
        });
    }
    let names = ["latency of one image, ms", "multiply-accumulates, millions"];
    write_picture(&draw_tradeoff(&points, names, NEAR)?, file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(map50_95: f64, latency_ms: f64, macs: u64) -> SweepRow {
        let run = SweepRun { name: "r".to_owned(), prune_ratio: 0.5, seed: 0, preset: None, phase: 1 };
        let network = Point { map50_95, latency_ms, macs, params: 1 };
        let figures = Figures { network, baseline: network, best_for_latency: false, best_for_macs: false };
        SweepRow { run, outcome: Outcome::Done(figures) }
    }

    #[test]
    fn a_run_is_best_if_no_other_beats_it_in_accuracy_and_cost() {
        let rows = vec![row(0.5, 10.0, 100), row(0.5, 12.0, 90), row(0.4, 11.0, 95), row(0.3, 5.0, 95)];
        let mut table = SweepTable { schema: 1, rows, means: Vec::new() };
        mark_best(&mut table);
        let best: Vec<_> = table.done().map(|(_, f)| (f.best_for_latency, f.best_for_macs)).collect();
        assert_eq!(best, [(true, false), (false, true), (false, false), (true, false)]);
    }
}
