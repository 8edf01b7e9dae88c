//! [`section`]: accuracy against latency and against multiply-accumulates, and the story of the trainings.

use maud::{Markup, html};

use super::chart::{Chart, Words};
use super::labels::place;
use super::story::story;
use super::{Section, billions, milliseconds};
use crate::{Group, Report, Row};

const HEIGHT: f64 = 308.0;
/// Half of the band around the baseline, in mAP50-95.
const BAND: f64 = 0.01;
/// Edges of the plotted area, in which labels lie.
const LEFT: f64 = 44.0;
const RIGHT: f64 = 408.0;
const TOP: f64 = 16.0;

pub(super) fn section(report: &Report) -> Option<Section> {
    let drawings = [latency(report), macs(report), story(report)];
    if drawings.iter().all(Option::is_none) {
        return None;
    }
    let body = html! {
        p {
            "Up and to the left is better. Bars are 95 % intervals of the change over the test images; the green band is \
             within 0.01 of the baseline."
        }
        div class="grid2" { @for drawing in drawings.into_iter().flatten() { (drawing) } }
    };
    Some(Section { id: "tradeoff", short: "Trade-off", title: "Accuracy against cost", body })
}

/// Accuracy against the latency of every file.
fn latency(report: &Report) -> Option<Markup> {
    let baseline = report.rows.first()?;
    let tuned = report.row("fine-tuned")?;
    let says = format!(
        "Fine-tuned: {} ms and {:.3}; baseline: {} ms and {:.3}.",
        milliseconds(tuned.latency.p50_ms),
        tuned.map50_95,
        milliseconds(baseline.latency.p50_ms),
        baseline.map50_95
    );
    let words = Words {
        id: "cost",
        title: "Accuracy against CPU latency",
        says: &says,
        x: "CPU latency, ms per image",
        y: "mAP50-95",
    };
    let rows: Vec<&Row> = report.rows.iter().collect();
    Some(drawn("Accuracy and latency", &words, &rows, |row| row.latency.p50_ms))
}

/// Accuracy against the multiply-accumulates of every network.
fn macs(report: &Report) -> Option<Markup> {
    let baseline = report.rows.first()?;
    let tuned = report.row("fine-tuned")?;
    let says = format!(
        "Fine-tuned: {} G and {:.3}; baseline: {} G and {:.3}.",
        billions(tuned.macs),
        tuned.map50_95,
        billions(baseline.macs),
        baseline.map50_95
    );
    let words = Words {
        id: "macs",
        title: "Accuracy against multiply-accumulates",
        says: &says,
        x: "multiply-accumulates per image, G",
        y: "mAP50-95",
    };
    let rows: Vec<&Row> = report.rows.iter().filter(|row| row.group == Group::Checkpoint).collect();
    Some(drawn("Accuracy and multiply-accumulates", &words, &rows, |row| row.macs as f64 / 1e9))
}

/// A chart of these rows but the pruned network, whose accuracy before fine-tuning would stretch the scale.
fn drawn(heading: &str, words: &Words<'_>, rows: &[&Row], cost: impl Fn(&Row) -> f64) -> Markup {
    let mut shown: Vec<&Row> = rows.iter().copied().filter(|row| row.name != "pruned").collect();
    // The networks themselves get their labels first.
    shown.sort_by_key(|row| row.group == Group::Export);
    let baseline = shown.first().map_or(0.0, |row| row.map50_95);
    let highest = shown.iter().map(|row| cost(row)).fold(0.0, f64::max);
    let best = shown.iter().map(|row| row.map50_95).fold(0.0, f64::max);
    let least = shown.iter().map(|row| row.map50_95).fold(best, f64::min);
    let room = ((best - least) * 0.3).max(0.03);
    let chart = Chart::new(HEIGHT, 0.0..=highest * 1.1, (least - room).max(0.0)..=best + room);
    let top = chart.at_y(baseline + BAND);
    let bottom = chart.at_y(baseline - BAND);
    let points: Vec<(f64, f64, &str)> =
        shown.iter().map(|row| (chart.at_x(cost(row)), chart.at_y(row.map50_95), label(row))).collect();
    let labels = place(&points, [LEFT, TOP, RIGHT, chart.bottom()]);
    let inside = html! {
        rect class="okband" x=(LEFT) width=(RIGHT - LEFT) y=(format!("{top:.1}")) height=(format!("{:.1}", bottom - top)) {}
        @for (row, (x, y, _)) in shown.iter().zip(&points) {
            @if let Some(change) = row.change {
                @let ends = [change.low, change.high].map(|end| chart.at_y(baseline + end));
                path class="err" d=(format!("M{x:.1} {:.1}V{:.1}", ends[0], ends[1])) {}
            }
            circle class=(class_of(row)) cx=(format!("{x:.1}")) cy=(format!("{y:.1}")) r=(if row.group == Group::Checkpoint { 5 } else { 4 }) {
                title { (format!("{}: {:.3} mAP50-95, {} ms", row.name, row.map50_95, milliseconds(row.latency.p50_ms))) }
            }
        }
        @for (label, (_, _, text)) in labels.iter().zip(&points) {
            @if let Some(label) = label {
                text x=(format!("{:.1}", label.x)) y=(format!("{:.1}", label.y)) class="t" text-anchor=(label.anchor) { (text) }
            }
        }
    };
    let left_out =
        if shown.len() < rows.len() { " The pruned network before fine-tuning is not shown." } else { "" };
    html! {
        figure class="fig" {
            h3 { (heading) }
            p class="say" { (words.says) (left_out) }
            (chart.draw(words, 2, &inside))
        }
    }
}

/// The name of a file without that of its network, which its colour shows.
fn label(row: &Row) -> &str {
    row.name.strip_suffix(row.network.as_str()).map_or(row.name.as_str(), |name| match name {
        "" => row.name.as_str(),
        name => name.trim_end_matches(", "),
    })
}

/// Colour by network; files other than checkpoints are open circles.
fn class_of(row: &Row) -> &'static str {
    match (row.group, row.network.as_str()) {
        (Group::Checkpoint, "baseline" | "dense control") => "dot base",
        (Group::Checkpoint, "sparse") => "dot sparse",
        (Group::Checkpoint, _) => "dot ft",
        (Group::Export, "baseline") => "dot open of-base",
        (Group::Export, _) => "dot open",
    }
}
