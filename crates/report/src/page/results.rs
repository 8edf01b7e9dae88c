//! [`section`]: the table of all measured files.

use maud::{Markup, html};

use super::{Section, billions, millions, milliseconds};
use crate::headline::{signed, times};
use crate::{Group, Report, Row, cpu_engines, original_table};

const COLUMNS: [&str; 12] = [
    "model",
    "mAP50\u{2011}95",
    "change",
    "p50, ms",
    "p95, ms",
    "CPU, ms",
    "speed",
    "mAP50",
    "MACs, G",
    "params, M",
    "file, MB",
    "images/s",
];

pub(super) fn section(report: &Report) -> Section {
    let heading = |group| match group {
        Group::Checkpoint => format!("Checkpoints, f32, {}", report.executor),
        Group::Export => "Exports and engines".to_owned(),
    };
    let body = html! {
        @let engines = cpu_engines::rows(report);
        @if !engines.is_empty() {
            p {
                "The engines for this CPU, in 32-bit floats and in 8-bit codes; change and speed are relative to the \
                 baseline's engine in fp32."
            }
            div class="scroll" tabindex="0" role="region" aria-label="CPU engines in fp32 and int8" {
                table {
                    thead { tr { @for column in cpu_engines::COLUMNS { th scope="col" { (column) } } } }
                    tbody {
                        @for [name, values @ ..] in &engines {
                            tr { th scope="row" { (name) } @for value in values { td { (value) } } }
                        }
                    }
                }
            }
        }
        p {
            "Every row was measured on the file that it names. mAP is a fraction, on the " (report.split)
            " split; change is in mAP50-95 against the baseline. p50 and p95 are percentiles of the wall-clock time of one \
             image, decode included; CPU is the median processor time of all threads. Speed is relative to the CPU engine \
             of the baseline, from processor times of rounds in which both ran, with its 95 % interval."
        }
        div class="scroll" tabindex="0" role="region" aria-label="Results table, scrolls sideways" {
            table class="main" {
                thead { tr { @for column in COLUMNS { th scope="col" { (column) } } } }
                tbody {
                    @for group in [Group::Checkpoint, Group::Export] {
                        @if report.rows.iter().any(|row| row.group == group) {
                            tr class="grp" { th colspan="12" scope="colgroup" { span { (heading(group)) } } }
                            @for row in report.rows.iter().filter(|row| row.group == group) { (line(row, report)) }
                        }
                    }
                    @for made in &report.made {
                        tr {
                            th scope="row" { (made.what) ", " (made.precision) ", " (made.network) }
                            td class="na" colspan="11" {
                                span {
                                    "built, " (megabytes(made.bytes)) " MB"
                                    @if let Some(ms) = made.latency_ms { ", " (milliseconds(ms)) " ms" }
                                    "; Bonsai cannot run it, so its mAP is not measured"
                                }
                            }
                        }
                    }
                    @for missing in &report.not_run {
                        tr {
                            th scope="row" { (missing.what) }
                            td class="na" colspan="11" { span { "not run: " (missing.short()) } }
                        }
                    }
                }
            }
        }
        @let seed = original_table::rows(report);
        @if !seed.is_empty() {
            details {
                summary { "The final table of the original workflow: baseline and pruned, fp16 and int8" }
                div class="scroll" tabindex="0" role="region" aria-label="Baseline and pruned in fp16 and int8" {
                    table {
                        thead { tr { @for column in original_table::COLUMNS { th scope="col" { (column) } } } }
                        tbody {
                            @for [name, figures @ ..] in &seed {
                                tr { th scope="row" { (name) } @for figure in figures { td { (figure) } } }
                            }
                        }
                    }
                }
            }
        }
    };
    Section { id: "table", short: "Results", title: "Results", body }
}

fn line(row: &Row, report: &Report) -> Markup {
    let baseline = &report.rows[0];
    let change = if std::ptr::eq(row, baseline) {
        "ref.".to_owned()
    } else {
        signed(row.map50_95 - baseline.map50_95)
    };
    let colour = match row.name.as_str() {
        "baseline" => Some("--c:var(--base)"),
        "sparse" => Some("--c:var(--sparse)"),
        "pruned" => Some("--c:var(--pruned)"),
        "fine-tuned" => Some("--c:var(--ft)"),
        _ => None,
    };
    html! {
        tr class=[(row.name == "fine-tuned").then_some("me")] {
            th scope="row" {
                @if let Some(colour) = colour { span class="sw" style=(colour) {} }
                (row.name)
                @if row.group == Group::Export { " " span class="muted" { "in " (row.runner) } }
                @if !row.file.is_empty() { br; code class="file" { (row.file) } }
            }
            td { (format!("{:.3}", row.map50_95)) }
            td { (change) }
            td { (milliseconds(row.latency.p50_ms)) }
            td { (milliseconds(row.latency.p95_ms)) }
            td { (row.latency.cpu_ms.map_or_else(|| "\u{2013}".to_owned(), milliseconds)) }
            td { (times(&row.speed)) }
            td { (format!("{:.3}", row.map50)) }
            td { (billions(row.macs)) }
            td { (millions(row.params)) }
            td { (megabytes(row.bytes)) }
            td { (format!("{:.0}", 1000.0 / row.latency.p50_ms)) }
        }
    }
}

pub(super) fn megabytes(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / 1e6)
}
