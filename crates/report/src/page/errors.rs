//! [`section`]: the change of each class, with intervals.

use bonsai_metrics::{Change, Verdict};
use maud::{Markup, html};

use super::{Section, curves};
use crate::Report;
use crate::headline::signed;

/// Number of classes that are shown; the others are in a fold-out list.
const SHOWN: usize = 20;
/// Smallest value at the ends of the scale; a wider interval extends it.
const SCALE: f64 = 0.03;
/// Width of the drawing of an interval.
const WIDTH: f64 = 160.0;

struct Class<'a> {
    name: &'a str,
    objects: usize,
    change: &'a Change,
}

pub(super) fn section(report: &Report) -> Option<Section> {
    let change = report.change.as_ref()?;
    let class = |(id, change): (usize, _)| {
        let (name, objects) = report.classes.get(id)?;
        Some(Class { name, objects: *objects, change })
    };
    let mut classes: Vec<Class<'_>> =
        change.per_class.iter().filter_map(|(id, change)| class((*id, change))).collect();
    if classes.is_empty() {
        return None;
    }
    classes.sort_by(|a, b| b.change.difference().abs().total_cmp(&a.change.difference().abs()));
    let widest = classes.iter().flat_map(|c| [c.change.low.abs(), c.change.high.abs()]).fold(SCALE, f64::max);
    let scale = (widest * 100.0).ceil() / 100.0;
    let (shown, rest) = classes.split_at(SHOWN.min(classes.len()));
    let body = html! {
        p { (finding(&classes)) }
        (table(shown, scale))
        @if !rest.is_empty() {
            details { summary { (rest.len()) " more classes" } (table(rest, scale)) }
        }
        (curves::figures(report))
    };
    Some(Section { id: "errors", short: "Errors", title: "Changes by class", body })
}

fn finding(classes: &[Class<'_>]) -> String {
    let names = |verdict| -> Vec<&str> {
        classes.iter().filter(|c| c.change.verdict() == verdict).map(|c| c.name).take(5).collect()
    };
    let better = names(Verdict::Better);
    let worse = names(Verdict::Worse);
    let intro = "AP50-95 of each class with the 95 % interval of its change; the largest change comes first.";
    let said = match (better.as_slice(), worse.as_slice()) {
        ([], []) => "Every interval contains zero.".to_owned(),
        (better, []) => format!("Better: {}. No class is worse.", better.join(", ")),
        ([], worse) => format!("Worse: {}. No class is better.", worse.join(", ")),
        (better, worse) => format!("Better: {}. Worse: {}.", better.join(", "), worse.join(", ")),
    };
    format!("{intro} {said}")
}

fn table(classes: &[Class<'_>], scale: f64) -> Markup {
    html! {
        div class="scroll" tabindex="0" role="region" aria-label="Per-class table" {
            table class="cls" {
                thead {
                    tr {
                        th scope="col" { "class" }
                        th scope="col" class="opt" { "objects" }
                        th scope="col" { "baseline" }
                        th scope="col" { "fine-tuned" }
                        th scope="col" { "change" }
                        th scope="col" class="dbh" {
                            span class="wide" { (format!("\u{2212}{scale:.2}")) " " span { "0" } " " (format!("+{scale:.2}")) }
                            span class="narrow" { (format!("\u{b1}{scale:.2}")) }
                        }
                    }
                }
                tbody { @for class in classes { (row(class, scale)) } }
            }
        }
    }
}

fn row(class: &Class<'_>, scale: f64) -> Markup {
    let Change { before, after, low, high } = *class.change;
    let at = |value: f64| WIDTH / 2.0 * (1.0 + (value / scale).clamp(-1.0, 1.0));
    html! {
        tr {
            th scope="row" { (class.name) }
            td class="opt" { (class.objects) }
            td { (format!("{before:.3}")) }
            td { (format!("{after:.3}")) }
            td {
                (signed(after - before)) " "
                span class="muted opt" { "(" (signed(low)) " to " (signed(high)) ")" }
            }
            td class="db" {
                svg viewBox="0 0 160 20" aria-hidden="true" {
                    path class="axis" d="M80 0V20" {}
                    path class="ln ft thin" d=(format!("M{:.1} 10H{:.1}", at(low), at(high))) {}
                    circle class="dot ft" cx=(format!("{:.1}", at(after - before))) cy="10" r="4.5" {}
                }
            }
        }
    }
}
