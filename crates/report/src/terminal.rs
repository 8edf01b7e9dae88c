//! [`terminal_summary`]: the end of a run in a terminal of 80 columns: results, the page, and the file to deploy.

use std::fmt::Write as _;
use std::path::Path;

use crate::advice::advice;
use crate::deploy::choices;
use crate::headline::{milliseconds, signed};
use crate::{CheckVerdict, Report};

/// Width of the column of names: the longest is `CPU engine int8, dense control`.
const NAME: usize = 30;

/// The headline, one line per measured file, failed checks, and where to find what; `folder` is the run
/// directory, `page` the page in it.
pub fn terminal_summary(report: &Report, folder: &Path, page: &Path) -> String {
    let mut text = format!("{}\n\n", report.headline);
    let _ = writeln!(
        text,
        "{:NAME$} {:>8} {:>7} {:>9} {:>7} {:>9}",
        "", "mAP50-95", "change", "p50", "speed", "size"
    );
    let reference = report.rows.first().map_or(0.0, |row| row.map50_95);
    for (index, row) in report.rows.iter().enumerate() {
        let change = if index == 0 { "ref.".to_owned() } else { signed(row.map50_95 - reference) };
        let _ = writeln!(
            text,
            "{:NAME$} {:>8.3} {change:>7} {:>9} {:>7} {:>9}",
            row.name,
            row.map50_95,
            format!("{} ms", milliseconds(row.latency.p50_ms)),
            format!("{:.1}x", row.speed.times),
            format!("{:.1} MB", row.bytes as f64 / 1e6)
        );
    }
    let _ = writeln!(text);
    for check in report.checks.iter().filter(|check| check.verdict == CheckVerdict::Failed) {
        let _ = writeln!(text, "failed: {}", check.what);
    }
    if let Some(sentence) = advice(report).first() {
        let _ = writeln!(text, "next:   {sentence}");
    }
    let _ = writeln!(text, "page:   {}", page.display());
    if let Some(choice) = choices(report).first() {
        let _ = writeln!(text, "deploy: {}", folder.join(&choice.row.file).display());
    }
    text
}
