//! [`SweepTable`]: the results of a sweep, and their Markdown.

use std::fmt::Write as _;

use bonsai_pipeline::plain;
use serde::Serialize;

use super::SweepRun;
use super::means::Mean;
use super::row::{Figures, Outcome, SweepRow};

/// All runs of a sweep.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SweepTable {
    /// Version of this file format.
    pub schema: u32,
    /// One row per run, sorted by ratio, preset and seed.
    pub rows: Vec<SweepRow>,
    /// Means over the seeds, for each ratio and preset with two seeds or more.
    pub means: Vec<Mean>,
}

impl SweepTable {
    /// The table as Markdown.
    pub fn markdown(&self) -> String {
        markdown(self)
    }

    /// The runs that have a report.
    pub fn done(&self) -> impl Iterator<Item = (&SweepRun, &Figures)> {
        self.rows.iter().filter_map(|row| match &row.outcome {
            Outcome::Done(figures) => Some((&row.run, figures)),
            Outcome::NotDone(_) => None,
        })
    }
}

/// Writes one row per run; a run that is not done keeps its row, with the reason below the table.
fn markdown(table: &SweepTable) -> String {
    let mut text = String::from("# Sweep\n\n");
    let done = table.done().count();
    let _ = writeln!(
        text,
        "{done} of {} runs are done. Each run is compared with the baseline of its own seed; \u{2713} marks a run that \
         no other run beats in both accuracy and cost.\n",
        table.rows.len()
    );
    text.push_str(
        "| run | mAP50-95 | change | latency, ms | speed | MACs, M | MACs left | params | best for |\n",
    );
    text.push_str("|---|---:|---:|---:|---:|---:|---:|---:|---|\n");
    for row in &table.rows {
        let name = &row.run.name;
        let _ = match &row.outcome {
            Outcome::Done(figures) => writeln!(text, "| {name} | {} |", cells(figures)),
            Outcome::NotDone(_) => writeln!(text, "| {name} | not done |{}", " \u{2013} |".repeat(7)),
        };
    }
    if !table.means.is_empty() {
        text.push_str(
            "\nMeans over the seeds:\n\n| ratio | seeds | mAP50-95 | change (from, to) | speed | MACs left |\n",
        );
        text.push_str("|---|---:|---:|---:|---:|---:|\n");
        for mean in &table.means {
            let _ = writeln!(text, "| {} |", mean_cells(mean));
        }
    }
    let reasons: Vec<_> =
        table.rows.iter().filter_map(|row| reason(&row.outcome).map(|r| (row, r))).collect();
    if !reasons.is_empty() {
        text.push_str("\nNot done:\n\n");
        for (row, reason) in reasons {
            let _ = writeln!(text, "- `{}`: {}", row.run.name, plain(reason));
        }
    }
    text
}

fn reason(outcome: &Outcome) -> Option<&str> {
    match outcome {
        Outcome::Done(_) => None,
        Outcome::NotDone(because) => Some(because),
    }
}

fn cells(Figures { network, baseline, best_for_latency, best_for_macs }: &Figures) -> String {
    let best: Vec<&str> = [(best_for_latency, "\u{2713} latency"), (best_for_macs, "\u{2713} MACs")]
        .into_iter()
        .filter_map(|(is_best, name)| is_best.then_some(name))
        .collect();
    let change = change(network.map50_95 - baseline.map50_95);
    format!(
        "{:.3} | {change} | {:.2} | {:.2} | {:.1} | {:.0} % | {} | {}",
        network.map50_95,
        network.latency_ms,
        baseline.latency_ms / network.latency_ms,
        network.macs as f64 / 1e6,
        100.0 * network.macs as f64 / baseline.macs as f64,
        network.params,
        if best.is_empty() { "\u{2013}".to_owned() } else { best.join(", ") }
    )
}

fn mean_cells(mean: &Mean) -> String {
    let Mean { prune_ratio, preset, seeds, map50_95, change_range: [low, high], speed, macs_share, .. } =
        mean;
    let preset = preset.as_ref().map_or_else(String::new, |preset| format!(", {preset}"));
    let mean = change(mean.change);
    let low = change(*low);
    let high = change(*high);
    let percent = 100.0 * macs_share;
    format!(
        "{prune_ratio}{preset} | {seeds} | {map50_95:.3} | {mean} ({low}, {high}) | {speed:.2} | {percent:.0} %"
    )
}

/// A difference with its sign.
fn change(difference: f64) -> String {
    format!("{difference:+.3}").replace('-', "\u{2212}")
}

#[cfg(test)]
mod tests {
    use super::super::SweepRun;
    use super::super::row::{Point, SweepRow};
    use super::*;

    #[test]
    fn every_run_keeps_its_place() {
        let run = |name: &str| SweepRun {
            name: name.to_owned(),
            prune_ratio: 0.3,
            seed: 0,
            preset: None,
            phase: 1,
        };
        let point = |map50_95, latency_ms, macs| Point { map50_95, latency_ms, macs, params: 10 };
        let figures = Figures {
            network: point(0.49, 5.0, 2_000_000),
            baseline: point(0.5, 10.0, 8_000_000),
            best_for_latency: true,
            best_for_macs: false,
        };
        let rows = vec![
            SweepRow { run: run("a"), outcome: Outcome::Done(figures) },
            SweepRow { run: run("b"), outcome: Outcome::NotDone("failed: no\nspace".to_owned()) },
        ];
        let mean = Mean {
            prune_ratio: 0.3,
            preset: Some("original".to_owned()),
            seeds: 2,
            map50_95: 0.48,
            change: -0.02,
            change_range: [-0.03, 0.01],
            speed: 2.0,
            macs_share: 0.25,
        };
        let text = markdown(&SweepTable { schema: 1, rows, means: vec![mean] });
        let over = "| 0.3, original | 2 | 0.480 | \u{2212}0.020 (\u{2212}0.030, +0.010) | 2.00 | 25 % |\n";
        assert!(text.contains(over), "{text}");
        assert!(text.contains("1 of 2 runs are done"), "{text}");
        let row = "| a | 0.490 | \u{2212}0.010 | 5.00 | 2.00 | 2.0 | 25 % | 10 | \u{2713} latency |\n";
        assert!(text.contains(row), "{text}");
        assert!(
            text.contains("| b | not done | \u{2013} |") && text.contains("- `b`: failed: no space"),
            "{text}"
        );
    }
}
