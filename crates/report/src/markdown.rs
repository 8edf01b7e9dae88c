//! [`markdown`]: the report as GitHub-flavoured Markdown, for a terminal, a review or a chat.

use std::fmt::{Display, Write as _};

use bonsai_stages::SplitFlaws;

use crate::absent::absent;
use crate::fairness::{caution, steps};
use crate::headline::{milliseconds, signed, times};
use crate::{CheckVerdict, Report, Row, cpu_engines, original_table};

/// Writes headline, results, exports, what was not run, and times.
pub fn markdown(report: &Report) -> String {
    let mut text = String::new();
    let _ = writeln!(
        text,
        "# {}\n\n{} on {} at {} px, measured on the {} split: {} images, {} objects. mAP is a fraction. p50 and p95 are \
         percentiles of the wall-clock time of one image, decode included, and CPU is the median processor time of all \
         threads ({}). Speed is relative to the CPU engine of the baseline, from processor times of rounds in which \
         both ran, with its 95 % interval.\n",
        report.headline,
        plain(&report.model),
        plain(&report.data),
        report.imgsz,
        report.split,
        report.images,
        report.instances,
        report.executor
    );
    if let Some(absent) = absent(report) {
        let _ = writeln!(text, "{absent}\n");
    }
    if let Some(change) = &report.change {
        let [map, half] = [&change.map50_95, &change.map50].map(|c| {
            format!("{} (95 % interval {} to {})", signed(c.difference()), signed(c.low), signed(c.high))
        });
        let _ = writeln!(text, "Fine-tuned against baseline: mAP50-95 {map}, mAP50 {half}.\n");
    }
    if let Some(caution) = caution(report) {
        let _ = writeln!(text, "{caution}\n");
    }
    let _ = writeln!(text, "{}\n", steps(report));
    text += &results(report);
    if !report.made.is_empty() {
        let _ = writeln!(
            text,
            "\n| built, mAP not measured here | network | file | latency |\n|---|---|---:|---:|"
        );
        for made in &report.made {
            let latency = made.latency_ms.map_or_else(|| "\u{2013}".to_owned(), |ms| format!("{ms:.2} ms"));
            let what = &made.what;
            let network = &made.network;
            let precision = made.precision;
            let _ = writeln!(
                text,
                "| {what}, {precision} | {network} | {:.1} MiB | {latency} |",
                mib(made.bytes)
            );
        }
    }
    text += &table(cpu_engines::COLUMNS, &cpu_engines::rows(report));
    text += &table(original_table::COLUMNS, &original_table::rows(report));
    let _ = writeln!(text);
    for check in &report.checks {
        let verdict = match check.verdict {
            CheckVerdict::Failed => "**failed**",
            CheckVerdict::Passed => "passed",
            CheckVerdict::NotRun => "not run",
        };
        let _ =
            writeln!(text, "- {verdict}: {}", plain(check.what.replace(": not run, because", ", because")));
    }
    for flaws in report.dataset.iter().filter_map(SplitFlaws::line) {
        let _ = writeln!(text, "- {flaws}");
    }
    if !report.not_run.is_empty() {
        let _ = writeln!(text, "\n| not run | because |\n|---|---|");
        for missing in &report.not_run {
            // The full reason, with every place that was searched, is in report.json.
            let _ = writeln!(text, "| {} | {} |", plain(&missing.what), plain(missing.short()));
        }
    }
    let _ = writeln!(text, "\n| stage | seconds | peak memory |\n|---|---:|---:|");
    for cost in &report.stages {
        let peak = cost.peak_mib.map_or_else(|| "\u{2013}".to_owned(), |mib| format!("{mib:.0} MiB"));
        let again = match cost.interruptions {
            0 => String::new(),
            1 => " (interrupted once)".to_owned(),
            times => format!(" (interrupted {times} times)"),
        };
        let _ = writeln!(text, "| {}{again} | {:.1} | {peak} |", cost.stage, cost.seconds);
    }
    text
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// The table of all measured files.
fn results(report: &Report) -> String {
    let mut text = String::new();
    let _ = writeln!(
        text,
        "| | mAP50 | mAP50-95 | change | params | MACs | file | p50, ms | p95, ms | CPU, ms | speed | run by |"
    );
    let _ = writeln!(text, "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---|");
    for row in &report.rows {
        let Row { name, map50, map50_95, params, macs, bytes, latency, speed, runner, .. } = row;
        let change = match row.change {
            Some(_) => signed(map50_95 - report.rows[0].map50_95),
            None => "\u{2013}".to_owned(),
        };
        let params = *params as f64 / 1e6;
        let macs = *macs as f64 / 1e9;
        let file = mib(*bytes);
        let cpu = latency.cpu_ms.map_or_else(|| "\u{2013}".to_owned(), milliseconds);
        let _ = writeln!(
            text,
            "| {name} | {map50:.3} | {map50_95:.3} | {change} | {params:.3} M | {macs:.3} G | {file:.1} MiB | {} | {} | {cpu} | {} | {runner} |",
            milliseconds(latency.p50_ms),
            milliseconds(latency.p95_ms),
            times(speed)
        );
    }
    text
}

/// A table whose first column has the names; empty without rows.
fn table<const N: usize>(columns: [&str; N], rows: &[[String; N]]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let mut text = format!("\n| {} |\n|---|{}\n", columns.join(" | "), "---:|".repeat(N - 1));
    for row in rows {
        let _ = writeln!(text, "| {} |", row.join(" | "));
    }
    text
}

/// Escapes foreign text, such as a name or the output of a tool, so that it stays plain text within a line or
/// a table cell.
pub fn plain(text: impl Display) -> String {
    let mut escaped = String::new();
    for letter in text.to_string().chars() {
        match letter {
            letter if letter.is_control() => escaped.push(' '),
            '|' | '[' => escaped.extend(['\\', letter]),
            '<' => escaped.push_str("&lt;"),
            letter => escaped.push(letter),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_makes_no_markup() {
        assert_eq!(
            plain("a|b\nc <img src=x> [d](e) my_data `f`"),
            r"a\|b c &lt;img src=x> \[d](e) my_data `f`"
        );
    }
}
