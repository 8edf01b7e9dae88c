//! [`section`]: whether L1 separated the channels, the losses, and the cost of each stage.

use std::fmt::Write as _;

use bonsai_stages::Stage;
use bonsai_train::EpochRecord;
use maud::{Markup, html};

use super::chart::{Chart, Words};
use super::story::noun;
use super::{Section, duration};
use crate::{GammaCounts, Report};

/// Maximum number of epochs that are drawn as ridges.
const RIDGES: usize = 8;
/// Distance between two ridges, and height of the highest.
const PITCH: f64 = 40.0;
const RISE: f64 = 58.0;
/// Largest magnitude that is drawn; values above are left out.
const LARGEST: f64 = 1.6;

pub(super) fn section(report: &Report) -> Option<Section> {
    if report.stages.is_empty() {
        return None;
    }
    let total: f64 = report.stages.iter().map(|stage| stage.seconds).sum();
    let epochs: usize = report.trainings.iter().map(|training| training.epochs.len()).sum();
    let body = html! {
        p { (epochs) " epochs in " (report.trainings.len()) " trainings; all stages took " (duration(total)) "." }
        div class="grid2" {
            @for drawing in [ridges(&report.gammas), losses(report)].into_iter().flatten() { (drawing) }
        }
        (costs(report))
    };
    Some(Section { id: "training", short: "Training", title: "Training", body })
}

/// The distribution of |gamma| over sparsity training, early epochs on top.
fn ridges(epochs: &[GammaCounts]) -> Option<Markup> {
    let last = epochs.last()?;
    let shown = spread(epochs);
    let height = 60.0 + PITCH * shown.len() as f64 + 40.0;
    let bottom = height - 38.0;
    let width = 364.0;
    let bins = (LARGEST / GammaCounts::BIN) as usize;
    let ridge = |counts: &GammaCounts, base: f64| {
        let total = counts.counts.iter().sum::<u64>().max(1) as f64;
        let mut path = format!("M44 {base:.1}");
        for (bin, count) in counts.counts.iter().take(bins).enumerate() {
            let x = 44.0 + width * (bin as f64 + 0.5) / bins as f64;
            // The square root keeps a small hump visible beside a large one.
            let _ = write!(path, "L{x:.1} {:.1}", base - RISE * (*count as f64 / total).sqrt());
        }
        let _ = write!(path, "L408 {base:.1}Z");
        path
    };
    let gone = 100.0 * last.below_1e2;
    let says = if last.below_1e2 < 0.05 {
        format!("No: only {gone:.0} % of the gammas ended below 0.01, so L1 separated hardly any channels.")
    } else {
        format!(
            "{gone:.0} % of the gammas ended below 0.01; removing their channels costs almost no accuracy."
        )
    };
    Some(html! {
        figure class="fig" {
            h3 { "Did sparsity training separate the channels?" }
            p class="say" { (says) }
            svg viewBox=(format!("0 0 420 {height}")) role="img" aria-labelledby="ridge-t ridge-d" {
                title id="ridge-t" { "Distribution of |gamma| over sparsity training" }
                desc id="ridge-d" { (says) }
                @for tick in [0.0, 0.4, 0.8, 1.2, 1.6] {
                    @let x = 44.0 + width * tick / LARGEST;
                    path class="grid" d=(format!("M{x:.1} 40V{bottom:.1}")) {}
                    text x=(format!("{x:.1}")) y=(bottom + 16.0) class="t" text-anchor="middle" { (format!("{tick:.1}")) }
                }
                @for (i, counts) in shown.iter().enumerate() {
                    @let base = 60.0 + PITCH * (i as f64 + 1.0) - 5.0;
                    path class="ridge" style=(format!("fill-opacity:{:.2}", 0.25 + 0.05 * i as f64)) d=(ridge(counts, base)) {}
                    text x="36" y=(format!("{:.1}", base + 4.0)) class="t" text-anchor="end" { (counts.epoch) }
                }
                text x="226" y=(height - 5.0) class="t" text-anchor="middle" { "|gamma| of every channel (height: square root of the fraction)" }
                text x="2" y="20" class="t" { "epoch" }
            }
        }
    })
}

/// The first epoch, the last, and some between them.
fn spread(epochs: &[GammaCounts]) -> Vec<&GammaCounts> {
    let count = epochs.len().min(RIDGES);
    (0..count).map(|i| &epochs[if count > 1 { i * (epochs.len() - 1) / (count - 1) } else { 0 }]).collect()
}

/// The losses of one training; the epochs of all trainings are counted on one axis.
struct Losses {
    stage: Stage,
    /// Number of epochs before it.
    start: usize,
    epochs: usize,
    /// Epoch and sum of the losses.
    train: Vec<(f64, f64)>,
    /// The same on the validation split, at the epochs that were evaluated.
    val: Vec<(f64, f64)>,
}

fn all_losses(report: &Report) -> Vec<Losses> {
    let train = |record: &EpochRecord| Some(record.box_loss + record.cls_loss + record.dfl_loss);
    let val = |record: &EpochRecord| {
        let losses = record.evaluation.and_then(|evaluation| evaluation.losses)?;
        Some(losses.bbox + losses.cls + losses.dfl)
    };
    let mut start = 0;
    let mut all = Vec::new();
    for training in &report.trainings {
        let points = |sum: &dyn Fn(&EpochRecord) -> Option<f64>| {
            let at = |(i, record): (usize, &EpochRecord)| {
                Some(((start + i + 1) as f64, sum(record).filter(|sum| sum.is_finite())?))
            };
            training.epochs.iter().enumerate().filter_map(at).collect()
        };
        let epochs = training.epochs.len();
        all.push(Losses { stage: training.stage, start, epochs, train: points(&train), val: points(&val) });
        // The dense control runs in parallel to the other trainings after the baseline.
        start += if training.stage == Stage::Control { 0 } else { epochs };
    }
    all
}

/// Chart of the sums of the losses over all trainings.
fn losses(report: &Report) -> Option<Markup> {
    let all = all_losses(report);
    let total = all.iter().map(|losses| losses.start + losses.epochs).max().filter(|total| *total > 0)?;
    let points = all.iter().flat_map(|losses| losses.train.iter().chain(&losses.val));
    let highest = points.map(|(_, loss)| *loss).fold(0.1, f64::max);
    let chart = Chart::new(268.0, 0.0..=total as f64, 0.0..=highest);
    let has_sparse = all.iter().any(|losses| losses.stage == Stage::Sparse);
    let has_val = all.iter().any(|losses| !losses.val.is_empty());
    let ends: Vec<String> = all
        .iter()
        .filter_map(|losses| {
            let (_, end) = losses.train.last()?;
            let val = losses.val.last().map_or_else(String::new, |(_, val)| format!(" ({val:.2})"));
            Some(format!("{} {end:.2}{val}", noun(losses.stage)))
        })
        .collect();
    let says = format!(
        "At the end of each training: {}.{}{}",
        ends.join(", "),
        if has_val { " Dashed and in brackets: on the validation images, without augmentation." } else { "" },
        if has_sparse { " The shaded part is sparsity training." } else { "" }
    );
    let words = Words {
        id: "loss",
        title: "Losses",
        says: &says,
        x: "epoch",
        y: "loss (box + class + DFL, gains included)",
    };
    let line = |points: &[(f64, f64)], class: &str| {
        html! {
            path class=(format!("ln {class}")) d=(chart.path(points.iter().copied())) {}
            @if let [(x, y)] = points {
                circle class=(format!("dot {class}")) r="4" cx=(format!("{:.1}", chart.at_x(*x))) cy=(format!("{:.1}", chart.at_y(*y))) {}
            }
        }
    };
    let inside = html! {
        @for losses in &all {
            @let (left, right) = (chart.at_x(losses.start as f64), chart.at_x((losses.start + losses.epochs) as f64));
            @if losses.stage == Stage::Sparse {
                rect class="band" x=(format!("{left:.1}")) y="30" width=(format!("{:.1}", right - left))
                    height=(format!("{:.1}", chart.bottom() - 30.0)) {}
            }
            (line(&losses.val, "base dash"))
            (line(&losses.train, "ft"))
        }
    };
    Some(html! {
        figure class="fig" {
            h3 { "Losses" }
            p class="say" { (says) }
            (chart.draw(&words, 1, &inside))
        }
    })
}

fn costs(report: &Report) -> Markup {
    let epochs = |stage| report.trainings.iter().find(|t| t.stage == stage).map(|t| t.epochs.len());
    html! {
        table class="st" {
            thead {
                tr {
                    th scope="col" { "stage" }
                    th scope="col" class="opt" { "epochs" }
                    th scope="col" { "time" }
                    th scope="col" { "peak memory" }
                }
            }
            tbody {
                @for cost in &report.stages {
                    tr {
                        th scope="row" {
                            (noun(cost.stage))
                            @if cost.interruptions > 0 { ", interrupted" }
                        }
                        td class="opt" { @if let Some(epochs) = epochs(cost.stage) { (epochs) } @else { "\u{2013}" } }
                        td { (duration(cost.seconds)) }
                        td {
                            @match cost.peak_mib {
                                Some(mib) => { (format!("{:.0} MB", mib * 1.048_576)) },
                                None => { "\u{2013}" },
                            }
                        }
                    }
                }
            }
        }
    }
}
