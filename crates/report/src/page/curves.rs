//! [`figures`]: precision over recall and confusion matrix of both networks.

use maud::{Markup, html};

use super::chart::{Chart, Words};
use crate::{Confusion, Report};

const HEIGHT: f64 = 308.0;
/// Maximum number of classes in a matrix that is shown; a larger one is unreadable.
const CLASSES: usize = 12;
/// Fraction of a class from which a cell is so dark that its number is set in bold.
const DARK: f64 = 0.5;

/// Both charts, side by side.
pub(super) fn figures(report: &Report) -> Markup {
    html! {
        div class="grid2 apart" {
            @for figure in [precision_over_recall(report), confusion(report)].into_iter().flatten() { (figure) }
        }
    }
}

fn precision_over_recall(report: &Report) -> Option<Markup> {
    let [before, after] =
        ["baseline", "fine-tuned"].map(|name| report.curves.iter().find(|c| c.network == name));
    let before = before?;
    let after = after?;
    let chart = Chart::new(HEIGHT, 0.0..=1.0, 0.0..=1.0);
    let [old, new] = ["baseline", "fine-tuned"].map(|name| report.row(name).map_or(0.0, |row| row.map50));
    let says = format!(
        "The area under a curve is mAP50: {new:.3} for the fine-tuned network, {old:.3} for the baseline (grey, dashed)."
    );
    let words = Words {
        id: "pr",
        title: "Precision over recall at an overlap of 0.5",
        says: &says,
        x: "recall",
        y: "precision (mean over the classes)",
    };
    let line = |precision: &[f64]| {
        let last = precision.len().saturating_sub(1).max(1) as f64;
        chart.path(precision.iter().enumerate().map(|(i, p)| (i as f64 / last, *p)))
    };
    let inside = html! {
        path class="ln base dash" d=(line(&before.precision)) {}
        path class="ln ft" d=(line(&after.precision)) {}
    };
    Some(html! {
        figure class="fig" {
            h3 { "Precision and recall" }
            p class="say" { (says) }
            (chart.draw(&words, 1, &inside))
        }
    })
}

fn confusion(report: &Report) -> Option<Markup> {
    let [before, after] =
        ["baseline", "fine-tuned"].map(|name| report.confusions.iter().find(|c| c.network == name));
    let before = before?;
    let after = after?;
    let classes = report.classes.len();
    let side = classes + 1;
    if before.counts.len() != side * side || after.counts.len() != side * side {
        return None;
    }
    let heading = "Confusion of classes";
    if classes > CLASSES {
        return Some(html! {
            figure class="fig" {
                h3 { (heading) }
                p class="say" { "The matrix of " (classes) " classes is too large for this page; see confusions in " code { "report.json" } "." }
            }
        });
    }
    let name = |id: usize| report.classes.get(id).map_or("background", |class| class.0.as_str());
    Some(html! {
        figure class="fig" {
            h3 { (heading) }
            p class="say" { (finding(before, after, side)) }
            table class="cm" {
                thead {
                    tr {
                        th scope="col" { "predicted \\ true" }
                        @for actual in 0..side { th scope="col" { (name(actual)) } }
                    }
                }
                tbody {
                    @for predicted in 0..side {
                        tr {
                            th scope="row" { (name(predicted)) }
                            @for actual in 0..side {
                                @if (predicted, actual) == (classes, classes) { td { "\u{2013}" } }
                                @else { (cell(before, after, (predicted, actual), side)) }
                            }
                        }
                    }
                }
            }
        }
    })
}

fn cell(before: &Confusion, after: &Confusion, (predicted, actual): (usize, usize), side: usize) -> Markup {
    let at = predicted * side + actual;
    let old = before.counts[at];
    let new = after.counts[at];
    let column: u64 = (0..side).map(|row| after.counts[row * side + actual]).sum();
    let share = new as f64 / column.max(1) as f64;
    html! {
        td class=[(share >= DARK).then_some("hi")] style=(format!("--a:{share:.2}")) {
            (new)
            @if old != new { " " small { "(" (change(old, new)) ")" } }
        }
    }
}

fn change(old: u64, new: u64) -> String {
    if new >= old { format!("+{}", new - old) } else { format!("\u{2212}{}", old - new) }
}

fn finding(before: &Confusion, after: &Confusion, side: usize) -> String {
    let sum = |of: &Confusion, wanted: &dyn Fn(usize, usize) -> bool| -> u64 {
        let at = |i: usize| (i / side, i % side);
        of.counts.iter().enumerate().filter(|(i, _)| wanted(at(*i).0, at(*i).1)).map(|(_, n)| n).sum()
    };
    let missed = |p: usize, a: usize| p == side - 1 && a < side - 1;
    let invented = |p: usize, a: usize| a == side - 1 && p < side - 1;
    let wrong = |p: usize, a: usize| p != a && p < side - 1 && a < side - 1;
    let told = |wanted: &dyn Fn(usize, usize) -> bool| {
        let old = sum(before, wanted);
        let new = sum(after, wanted);
        if old == new { format!("{new}") } else { format!("{new} ({})", change(old, new)) }
    };
    format!(
        "Fine-tuned network, with the change from the baseline in brackets: {} objects missed, {} detections without \
         an object, {} detected as another class.",
        told(&missed),
        told(&invented),
        told(&wrong)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misses_and_confusions_are_reported_with_their_change() {
        let of = |counts: [u64; 9]| Confusion { network: String::new(), counts: counts.to_vec() };
        // Two classes and the background; rows are predicted classes.
        let before = of([8, 1, 2, 0, 9, 0, 2, 0, 0]);
        let after = of([7, 1, 0, 0, 9, 0, 3, 0, 0]);
        let said = finding(&before, &after, 3);
        assert!(
            said.contains("3 (+1) objects missed, 0 (\u{2212}2) detections without an object, 1 detected as"),
            "{said}"
        );
        let shown = cell(&before, &after, (0, 0), 3).into_string();
        assert!(
            shown.contains("hi") && shown.contains("--a:0.70") && shown.contains("(\u{2212}1)"),
            "{shown}"
        );
    }
}
