//! [`story`]: validation mAP50-95 over all trainings on one axis of epochs.

use bonsai_stages::Stage;
use maud::{Markup, html};

use super::chart::{Chart, Words};
use crate::{Report, Training};

const HEIGHT: f64 = 308.0;

fn class_of(stage: Stage) -> &'static str {
    match stage {
        Stage::Sparse => "sparse",
        Stage::Finetune => "ft",
        Stage::Control => "base dash",
        Stage::Dataset | Stage::Baseline | Stage::Prune | Stage::Export | Stage::Engine | Stage::Report => {
            "base"
        }
    }
}

/// Chart of validation mAP50-95 over all trainings.
pub(super) fn story(report: &Report) -> Option<Markup> {
    let evaluation = |training: &Training, offset: usize| -> Vec<(f64, f64)> {
        let point = |(i, record): (usize, &bonsai_train::EpochRecord)| {
            record.evaluation.map(|e| ((offset + i + 1) as f64, e.map50_95))
        };
        training.epochs.iter().enumerate().filter_map(point).collect()
    };
    let mut offset = 0;
    let mut total = 0;
    let mut lines = Vec::new();
    for training in &report.trainings {
        let end = offset + training.epochs.len();
        lines.push((training.stage, offset, training.epochs.len(), evaluation(training, offset)));
        total = total.max(end);
        // The dense control runs in parallel to the other trainings after the baseline.
        offset = if training.stage == Stage::Control { offset } else { end };
    }
    let highest = lines.iter().flat_map(|line| &line.3).map(|point| point.1).fold(0.0, f64::max);
    if lines.iter().all(|line| line.3.is_empty()) {
        return None;
    }
    let chart = Chart::new(HEIGHT, 0.0..=total.max(1) as f64, 0.0..=highest.max(0.1));
    // Pruning happens where fine-tuning begins, between two trainings.
    let pruned = lines.iter().find(|line| line.0 == Stage::Finetune).map(|line| line.1 as f64);
    let ends: Vec<String> = lines
        .iter()
        .filter_map(|(stage, .., points)| {
            points.last().map(|p| format!("{} ends at {:.3}", noun(*stage), p.1))
        })
        .collect();
    let says = format!("{}. Pruning alone leaves {:.3}.", ends.join(", "), report.pruned_validation);
    let words = Words {
        id: "story",
        title: "Validation mAP50-95 over all trainings",
        says: &says,
        x: "epoch",
        y: "mAP50-95 (validation, averaged weights)",
    };
    // Reports of earlier versions do not name the stage that was pruned.
    let stages = report.pruned_stage.map_or(vec![Stage::Sparse, Stage::Baseline], |stage| vec![stage]);
    let unpruned = stages.iter().find_map(|stage| lines.iter().find(|line| line.0 == *stage));
    // The best weights of the baseline are pruned, but the last of sparsity training.
    let unpruned = unpruned.and_then(|line| match line.0 {
        Stage::Baseline => line.3.iter().map(|point| point.1).max_by(f64::total_cmp),
        _ => line.3.last().map(|point| point.1),
    });
    let inside = html! {
        @if let Some(x) = pruned {
            @let (x, y) = (chart.at_x(x), chart.at_y(report.pruned_validation));
            @let from = unpruned.map_or(y, |map| chart.at_y(map));
            path class="ln pruned dash" d=(format!("M{x:.1} {from:.1}V{y:.1}")) {}
            circle class="dot pruned" r="4" cx=(format!("{x:.1}")) cy=(format!("{y:.1}")) {}
            text x=(format!("{:.1}", x + 6.0)) y=(format!("{:.1}", (y + 18.0).min(chart.bottom() - 6.0))) class="t" {
                (format!("pruned {:.3}", report.pruned_validation))
            }
        }
        @for (stage, start, len, points) in &lines {
            @let (left, right) = (chart.at_x(*start as f64), chart.at_x((start + len) as f64));
            @if *stage == Stage::Sparse {
                rect class="band" x=(format!("{left:.1}")) y="30" width=(format!("{:.1}", right - left))
                    height=(format!("{:.1}", chart.bottom() - 30.0)) {}
            }
            @if *stage != Stage::Control {
                text x=(format!("{:.1}", f64::midpoint(left, right))) y="43" class="t" text-anchor="middle" { (noun(*stage)) }
            }
            path class=(format!("ln {}", class_of(*stage))) d=(chart.path(points.iter().copied())) {}
            @if let Some((x, y)) = points.last() {
                circle class=(format!("dot {}", class_of(*stage))) r="4" cx=(format!("{:.1}", chart.at_x(*x)))
                    cy=(format!("{:.1}", chart.at_y(*y))) {}
                text x=(format!("{:.1}", chart.at_x(*x) - 6.0)) y=(format!("{:.1}", chart.at_y(*y) + 18.0))
                    text-anchor="end" { (format!("{y:.3}")) }
            }
        }
    };
    Some(html! {
        figure class="fig" {
            h3 { "What each stage did" }
            p class="say" { (says) }
            (chart.draw(&words, 1, &inside))
        }
    })
}

/// Name of a stage on the page.
pub(super) fn noun(stage: Stage) -> &'static str {
    match stage {
        Stage::Baseline => "baseline",
        Stage::Control => "dense control",
        Stage::Sparse => "sparsity",
        Stage::Finetune => "fine-tuning",
        Stage::Dataset => "dataset",
        Stage::Prune => "pruning",
        Stage::Export => "export",
        Stage::Engine => "engines",
        Stage::Report => "report",
    }
}
