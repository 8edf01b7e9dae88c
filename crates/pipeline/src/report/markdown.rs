//! The report as GitHub-flavoured Markdown, for a terminal, a review or a chat.

use std::fmt::Write as _;

use super::headline::signed;
use super::{Report, Row};

/// Head line, results, exports, what was not run, and times.
pub fn markdown(report: &Report) -> String {
    let mut text = String::new();
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let _ = writeln!(
        text,
        "# {}\n\n{} on {} at {} px, measured on the {} split: {} images, {} objects. mAP is a fraction; latency is the \
         median of one image, decode included ({}).\n",
        report.headline,
        report.model,
        report.data,
        report.imgsz,
        report.split,
        report.images,
        report.instances,
        report.executor
    );
    if let Some(change) = &report.change {
        let [map, half] = [&change.map50_95, &change.map50].map(|c| {
            format!("{} (95 % interval {} to {})", signed(c.difference()), signed(c.low), signed(c.high))
        });
        let _ = writeln!(text, "Fine-tuned against baseline: mAP50-95 {map}, mAP50 {half}.\n");
    }
    let _ = writeln!(text, "| | mAP50 | mAP50-95 | change | params | MACs | file | latency |");
    let _ = writeln!(text, "|---|---:|---:|---:|---:|---:|---:|---:|");
    for row in &report.rows {
        let Row { name, map50, map50_95, params, macs, bytes, latency_ms, .. } = row;
        let change = match row.change {
            Some(_) => signed(map50_95 - report.rows[0].map50_95),
            None => "\u{2013}".to_owned(),
        };
        let (params, macs, file) = (*params as f64 / 1e6, *macs as f64 / 1e9, mib(*bytes));
        let _ = writeln!(
            text,
            "| {name} | {map50:.3} | {map50_95:.3} | {change} | {params:.3} M | {macs:.3} G | {file:.1} MiB | {latency_ms:.1} ms |"
        );
    }
    if !report.exports.is_empty() {
        let _ = writeln!(text, "\n| made, not measured here | file |\n|---|---:|");
        for (name, bytes) in &report.exports {
            let _ = writeln!(text, "| {name} | {:.1} MiB |", mib(*bytes));
        }
    }
    if !report.not_run.is_empty() {
        let _ = writeln!(text, "\n| not run | because |\n|---|---|");
        for missing in &report.not_run {
            // The first clause says why and what to do; report.json has the rest (every place looked at).
            let short = missing.because.split(';').next().unwrap_or(&missing.because);
            let _ = writeln!(text, "| {} | {short} |", missing.what);
        }
    }
    let _ = writeln!(text, "\n| stage | seconds | peak memory |\n|---|---:|---:|");
    for cost in &report.stages {
        let peak = cost.peak_mib.map_or_else(|| "\u{2013}".to_owned(), |mib| format!("{mib:.0} MiB"));
        let _ = writeln!(text, "| {} | {:.1} | {peak} |", cost.stage, cost.seconds);
    }
    text
}
