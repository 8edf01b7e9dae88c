//! [`draw_results`]: the picture `results.png`, with losses and metrics over the epochs.

use image::RgbImage;

use crate::axis::{Axis, Frame, is_drawable};
use crate::canvas::{Align, Area, Canvas, TextStyle};
use crate::error::PlotError;
use crate::palette::{INK, MUTED, RAW, STRONG};
use crate::smoothing::smooth;

const PANEL: (f32, f32) = (400.0, 440.0);
const COLUMNS: usize = 5;
const HEADER: f32 = 40.0;

/// The three losses, as logged.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Losses {
    /// Box loss.
    pub bbox: f64,
    /// Class loss.
    pub cls: f64,
    /// Loss of the distribution over distances.
    pub dfl: f64,
}

/// The values of an epoch. A value that is not finite is missing, and the line has a gap there.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EpochFigures {
    /// The number of the epoch, as shown on the axis.
    pub epoch: usize,
    /// Losses over the training images.
    pub train: Losses,
    /// Losses over the validation images.
    pub val: Losses,
    /// Mean precision, in `0..=1`.
    pub precision: f64,
    /// Mean recall, in `0..=1`.
    pub recall: f64,
    /// mAP at `IoU` 0.5, in `0..=1`.
    pub map50: f64,
    /// mAP averaged over `IoU` 0.5 to 0.95, in `0..=1`.
    pub map50_95: f64,
}

/// Reads the value of a panel from an epoch.
type Figure = fn(&EpochFigures) -> f64;

/// Titles, named like the columns of `results.csv`, and whether the highest value is the best.
const PANELS: [(&str, Figure, bool); 10] = [
    ("train/box_loss", |e| e.train.bbox, false),
    ("train/cls_loss", |e| e.train.cls, false),
    ("train/dfl_loss", |e| e.train.dfl, false),
    ("precision", |e| e.precision, true),
    ("recall", |e| e.recall, true),
    ("val/box_loss", |e| e.val.bbox, false),
    ("val/cls_loss", |e| e.val.cls, false),
    ("val/dfl_loss", |e| e.val.dfl, false),
    ("mAP50", |e| e.map50, true),
    ("mAP50-95", |e| e.map50_95, true),
];

/// Draws ten panels, 2000 x 940 px: training losses, precision and recall above validation losses and mAP.
///
/// Each panel shows the values as dots joined by a thin line, and a smoothed line (Gaussian, sigma 3 epochs).
/// Epochs are drawn in the order of their numbers; values beyond 1e30 count as missing. With one epoch there
/// is a dot; without epochs the panels say "no values".
///
/// # Errors
/// If the drawing library fails.
pub fn draw_results(history: &[EpochFigures]) -> Result<RgbImage, PlotError> {
    let mut history = history.to_vec();
    history.sort_by_key(|figures| figures.epoch);
    let rows = PANELS.len() / COLUMNS;
    let width = COLUMNS as f32 * PANEL.0;
    let mut canvas = Canvas::chart(width as u32, (rows as f32 * PANEL.1 + HEADER + 20.0) as u32);
    draw_legend(&mut canvas, width)?;
    for (index, (title, figure, higher_is_better)) in PANELS.into_iter().enumerate() {
        let row = index / COLUMNS;
        let column = index % COLUMNS;
        let panel = Area {
            left: column as f32 * PANEL.0,
            top: HEADER + row as f32 * PANEL.1,
            width: PANEL.0,
            height: PANEL.1,
        };
        let points: Vec<(f64, f64)> = history.iter().map(|e| (e.epoch as f64, figure(e))).collect();
        let best = best_point(&points, higher_is_better);
        canvas.text(title, (panel.left + 66.0, panel.top + 22.0), TextStyle::new(19.0, INK, Align::Left));
        let note = best.map(|(epoch, value)| {
            format!("{} {value:.4} at epoch {epoch:.0}", if higher_is_better { "highest" } else { "lowest" })
        });
        canvas.text(
            &note.unwrap_or_default(),
            (panel.left + 66.0, panel.top + 46.0),
            TextStyle::new(15.0, MUTED, Align::Left),
        );
        draw_panel(&mut canvas, panel.within(66.0, 66.0, 18.0, 42.0), &points)?;
    }
    let foot = HEADER + rows as f32 * PANEL.1 + 2.0;
    canvas.text("epoch", (width / 2.0, foot), TextStyle::new(17.0, INK, Align::Centre));
    Ok(canvas.finish())
}

fn draw_legend(canvas: &mut Canvas, width: f32) -> Result<(), PlotError> {
    let style = TextStyle::new(16.0, INK, Align::Left);
    for (right, colour, line, label) in [(270.0, RAW, 2.0, "each epoch"), (130.0, STRONG, 3.0, "smoothed")] {
        let left = width - right;
        let y = HEADER * 0.6;
        canvas.line(&[(left - 36.0, y), (left - 10.0, y)], line, colour)?;
        if colour == RAW {
            canvas.dot((left - 23.0, y), 3.5, colour)?;
        }
        canvas.text(label, (left, y), style);
    }
    Ok(())
}

fn best_point(points: &[(f64, f64)], highest: bool) -> Option<(f64, f64)> {
    let better = |a: f64, b: f64| if highest { a > b } else { a < b };
    points
        .iter()
        .copied()
        .filter(|&(_, y)| is_drawable(y))
        .reduce(|best, point| if better(point.1, best.1) { point } else { best })
}

fn draw_panel(canvas: &mut Canvas, area: Area, points: &[(f64, f64)]) -> Result<(), PlotError> {
    let drawn = || points.iter().filter(|&&(_, y)| is_drawable(y));
    let axes = Axis::whole(points.iter().map(|p| p.0), 5).zip(Axis::around(drawn().map(|p| p.1), 6));
    let Some((x, y)) = axes else {
        let middle = (area.left + area.width / 2.0, area.top + area.height / 2.0);
        canvas.text("no values", middle, TextStyle::new(17.0, MUTED, Align::Centre));
        return Ok(());
    };
    let frame = Frame { area, x, y, downwards: false };
    frame.draw(canvas)?;
    let place = |&(x, y): &(f64, f64)| frame.place(x, y);
    for part in points.split(|&(_, y)| !is_drawable(y)) {
        canvas.line(&part.iter().map(place).collect::<Vec<_>>(), 1.5, RAW)?;
    }
    let radius = if points.len() <= 100 { 3.5 } else { 2.0 };
    for point in drawn() {
        canvas.dot(place(point), radius, RAW)?;
    }
    let smoothed = smooth(points);
    for part in smoothed.split(|&(_, y)| !is_drawable(y)).filter(|part| part.len() > 1) {
        canvas.line(&part.iter().map(place).collect::<Vec<_>>(), 3.0, STRONG)?;
    }
    Ok(())
}
