//! [`page`]: the report as one HTML file that loads nothing: it has no script and no fonts, and embeds its
//! pictures.
//!
//! Sections come in the order in which they help to decide; each is a function of the report alone. `maud`
//! escapes foreign text (class names, paths, messages). Equal reports give equal bytes.

mod channels;
mod chart;
mod curves;
mod deploy;
mod errors;
mod labels;
mod notes;
mod pictures;
mod results;
mod story;
mod tradeoff;
mod training;

use bonsai_stages::SplitFlaws;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::absent::absent;
use crate::fairness::{caution, steps};
use crate::headline::{milliseconds, ratio, signed};
use crate::{CheckVerdict, Example, Report, Row};

const STYLE: &str = include_str!("style.css");
/// The page loads and runs nothing.
const POLICY: &str =
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/// A section of the page.
struct Section {
    id: &'static str,
    /// Its name in the list of sections.
    short: &'static str,
    title: &'static str,
    body: Markup,
}

/// The whole page.
pub fn page(report: &Report, examples: &[Example]) -> String {
    let sections: Vec<Section> = [
        deploy::section(report),
        Some(results::section(report)),
        tradeoff::section(report),
        errors::section(report),
        pictures::section(examples),
        channels::section(report),
        training::section(report),
        notes::not_run(report),
        Some(notes::reproduce(report)),
    ]
    .into_iter()
    .flatten()
    .collect();
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="referrer" content="no-referrer";
                meta name="robots" content="noindex";
                title { "Bonsai report: " (report.model) " on " (report.data) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                a class="skip" href="#table" { "Skip to the results table" }
                (head(report))
                main {
                    (cards(report))
                    (checks(report))
                    nav aria-label="Sections" {
                        @for section in &sections { a href=(format!("#{}", section.id)) { (section.short) } " " }
                    }
                    @for section in &sections {
                        h2 id=(section.id) { (section.title) }
                        (section.body)
                    }
                    footer {
                        "Made by Bonsai. This page contains everything that it shows and loads nothing. \
                         The same numbers are in " code { "report.json" } " and " code { "report.md" } "."
                    }
                }
            }
        }
    };
    page.into_string()
}

fn head(report: &Report) -> Markup {
    html! {
        header class="top" {
            div class="run" {
                span class="brand" { "Bonsai report" }
                span { (report.data) }
                span { (report.model) ", " (report.imgsz) " px" }
                span { "seed " (report.seed) }
            }
            h1 { (report.headline) }
            p class="lead" { (lead(report)) }
            @if let Some(caution) = caution(report) { p { (caution) } }
            p { (steps(report)) }
            @if let Some(absent) = absent(report) { p { (absent) } }
        }
    }
}

/// Latency, MACs and mAP50-95 of both networks, with the interval of the change.
fn lead(report: &Report) -> String {
    let (Some(before), Some(after)) = (report.row("baseline"), report.row("fine-tuned")) else {
        return String::new();
    };
    let share = 100.0 * (1.0 - after.macs as f64 / before.macs.max(1) as f64);
    let speed = format!(
        "The fine-tuned network takes {} ms per image instead of {} ms and needs {share:.0} % fewer MACs.",
        milliseconds(after.latency.p50_ms),
        milliseconds(before.latency.p50_ms)
    );
    let values = format!(
        "Its mAP50-95 on {} {} objects is {:.3}, that of the baseline {:.3}: a change of {}",
        report.instances,
        report.split,
        after.map50_95,
        before.map50_95,
        signed(after.map50_95 - before.map50_95)
    );
    let interval = match &report.change {
        Some(change) => format!(
            ", with a 95 % interval over {} images from {} to {}.",
            change.images,
            signed(change.map50_95.low),
            signed(change.map50_95.high)
        ),
        None => "; a single image gives no interval.".to_owned(),
    };
    format!("{speed} {values}{interval}")
}

/// Four numbers that sum up the change.
fn cards(report: &Report) -> Markup {
    let (Some(before), Some(after)) = (report.row("baseline"), report.row("fine-tuned")) else {
        return html! {};
    };
    let card = |name: &str, number: String, left: f64, from: String, to: String, note: &str| {
        let width = format!("width:{:.1}%", (100.0 * left).clamp(0.0, 100.0));
        html! {
            li class="card" {
                div class="k" { (name) }
                div class="n" { (number) }
                div class="meter" aria-hidden="true" { i style=(width) {} }
                div class="d" { (from) " \u{2192} " b { (to) } (note) }
            }
        }
    };
    let share = |of: &dyn Fn(&Row) -> f64| of(after) / of(before).max(f64::MIN_POSITIVE);
    let percent = |left: f64| {
        let sign = if left <= 1.0 { "\u{2212}" } else { "+" };
        format!("{sign}{:.0} %", 100.0 * (1.0 - left).abs())
    };
    let map = share(&|r| r.map50_95);
    let speed = before.speed.times / after.speed.times;
    let macs = share(&|r| r.macs as f64);
    let params = share(&|r| r.params as f64);
    let note = match after.change.map(|change| change.verdict()) {
        Some(bonsai_metrics::Verdict::Better) => ", better",
        Some(bonsai_metrics::Verdict::Worse) => ", worse",
        Some(bonsai_metrics::Verdict::WithinNoise) => ", within noise",
        None => "",
    };
    html! {
        ul class="cards" aria-label="At a glance: baseline to fine-tuned" {
            (card(
                &format!("mAP50-95, {}", report.split),
                signed(after.map50_95 - before.map50_95),
                map,
                format!("{:.3}", before.map50_95),
                format!("{:.3}", after.map50_95),
                note,
            ))
            (card(
                "CPU speed",
                format!("{}\u{d7}", ratio(1.0 / speed)),
                speed,
                milliseconds(before.latency.p50_ms),
                format!("{} ms", milliseconds(after.latency.p50_ms)),
                "",
            ))
            (card("MACs per image", percent(macs), macs, billions(before.macs), format!("{} G", billions(after.macs)), ""))
            (card("Parameters", percent(params), params, millions(before.params), format!("{} M", millions(after.params)), ""))
        }
    }
}

/// Whether the exports agree with the checkpoints, and which parts of the dataset were left out.
fn checks(report: &Report) -> Markup {
    html! {
        ul class="checks" aria-label="Checks" {
            @for check in &report.checks {
                @match check.verdict {
                    CheckVerdict::Failed => li class="bad" { b { "failed: " } (check.what) },
                    CheckVerdict::Passed => li { (check.what) },
                    CheckVerdict::NotRun => li class="no" { (check.what) },
                }
            }
            @for flaws in report.dataset.iter().filter_map(SplitFlaws::line) {
                li class="no" { (flaws) }
            }
        }
    }
}

fn billions(value: u64) -> String {
    format!("{:.2}", value as f64 / 1e9)
}

fn millions(value: u64) -> String {
    format!("{:.2}", value as f64 / 1e6)
}

/// A duration as text, in minutes and seconds.
fn duration(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match (whole / 60, whole % 60) {
        (0, _) if seconds < 10.0 => format!("{seconds:.1} s"),
        (0, seconds) => format!("{seconds} s"),
        (minutes, seconds) => format!("{minutes} min {seconds} s"),
    }
}
