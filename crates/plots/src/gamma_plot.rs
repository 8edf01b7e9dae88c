//! [`draw_gammas`]: the picture `gammas.png`, with the distribution of batch-norm scales in each epoch of a
//! sparsity training.

use image::RgbImage;

use crate::axis::{Axis, Frame, is_drawable};
use crate::canvas::{Align, Area, Canvas, TextStyle};
use crate::error::PlotError;
use crate::palette::{Colour, INK, MARK, MUTED, RAW, STRONG, shade};

const SIZE: (f32, f32) = (1200.0, 1000.0);
/// Width of the axis labels on the left, and of the line labels on the right.
const MARGIN: (f32, f32) = (90.0, 210.0);

/// The distribution of the magnitudes of all gammas after an epoch.
#[derive(Debug, Clone, PartialEq)]
pub struct GammaEpoch {
    /// The number of the epoch, as shown on the axis.
    pub epoch: usize,
    /// Counts in bins of `bin_width`, starting at 0.
    pub counts: Vec<u64>,
    /// Number of magnitudes beyond the last bin.
    pub above: u64,
    /// Percentiles 5, 25, 50, 75 and 95.
    pub percentiles: [f64; 5],
    /// Fraction of magnitudes below 1e-2.
    pub below_1e2: f64,
    /// Fraction of magnitudes below 1e-3.
    pub below_1e3: f64,
    /// Largest fraction of channels that a global threshold could remove without emptying a layer, if known.
    pub safe_ratio: Option<f64>,
}

/// A line of the lower panel: name, colour, value.
type Share = (&'static str, Colour, fn(&GammaEpoch) -> f64);

const SHARES: [Share; 3] = [
    ("below 0.01", STRONG, |e| e.below_1e2),
    ("below 0.001", RAW, |e| e.below_1e3),
    ("empties no layer", MARK, |e| e.safe_ratio.unwrap_or(f64::NAN)),
];

/// Draws two panels over the epochs, 1200 x 1000 px: the density of the magnitudes of the gammas with their
/// percentiles, and the fractions of gammas near zero.
///
/// A shade is the square root of a bin's fraction of its epoch, so that small bins stay visible. The upper
/// axis ends at the last bin that has more than a thousandth in some epoch; larger magnitudes are not shown.
///
/// # Errors
/// If the drawing library fails.
pub fn draw_gammas(history: &[GammaEpoch], bin_width: f64) -> Result<RgbImage, PlotError> {
    let mut history = history.to_vec();
    history.sort_by_key(|e| e.epoch);
    let mut canvas = Canvas::chart(SIZE.0 as u32, SIZE.1 as u32);
    let panel =
        |top: f32, height: f32| Area { left: MARGIN.0, top, width: SIZE.0 - MARGIN.0 - MARGIN.1, height };
    let upper = panel(60.0, 540.0);
    let lower = panel(680.0, 240.0);
    let title = TextStyle::new(19.0, INK, Align::Left);
    canvas.text("|gamma| of all batch norms", (MARGIN.0, 32.0), title);
    canvas.text("fraction of channels", (MARGIN.0, 652.0), title);
    let Some(epochs) = Axis::whole(history.iter().map(|e| e.epoch as f64), 8) else {
        let middle = (SIZE.0 / 2.0, SIZE.1 / 2.0);
        canvas.text("no epochs", middle, TextStyle::new(17.0, MUTED, Align::Centre));
        return Ok(canvas.finish());
    };
    let top = bins_shown(&history) as f64 * bin_width;
    let frame = Frame { area: upper, x: epochs.clone(), y: Axis::from_zero(top, 8), downwards: false };
    draw_density(&mut canvas, &frame, &history, bin_width)?;
    frame.draw(&mut canvas)?;
    draw_percentiles(&mut canvas, &frame, &history)?;
    let frame = Frame { area: lower, x: epochs, y: Axis::fraction(), downwards: false };
    frame.draw(&mut canvas)?;
    draw_shares(&mut canvas, &frame, &history)?;
    let foot = (MARGIN.0 + upper.width / 2.0, lower.bottom() + 46.0);
    canvas.text("epoch", foot, TextStyle::new(17.0, INK, Align::Centre));
    Ok(canvas.finish())
}

/// Number of bins up to the last one with more than a thousandth in some epoch; at least one.
fn bins_shown(history: &[GammaEpoch]) -> usize {
    let matters = |e: &GammaEpoch| {
        let total = e.counts.iter().sum::<u64>() + e.above;
        e.counts.iter().rposition(|count| count * 1000 > total).map_or(0, |bin| bin + 1)
    };
    history.iter().map(matters).max().unwrap_or(0).max(1)
}

fn draw_density(
    canvas: &mut Canvas,
    frame: &Frame,
    history: &[GammaEpoch],
    bin_width: f64,
) -> Result<(), PlotError> {
    let shown = bins_shown(history);
    for epoch in history {
        let total = (epoch.counts.iter().sum::<u64>() + epoch.above).max(1) as f64;
        for (bin, count) in epoch.counts.iter().take(shown).enumerate().filter(|(_, count)| **count > 0) {
            let x = epoch.epoch as f64;
            let low = bin as f64 * bin_width;
            let a = frame.place(x - 0.5, low + bin_width);
            let b = frame.place(x + 0.5, low);
            let cell = Area { left: a.0, top: a.1, width: b.0 - a.0, height: b.1 - a.1 };
            canvas.fill(cell, shade((*count as f64 / total).sqrt()))?;
        }
    }
    Ok(())
}

fn draw_percentiles(canvas: &mut Canvas, frame: &Frame, history: &[GammaEpoch]) -> Result<(), PlotError> {
    let names = ["5 %", "25 %", "median", "75 %", "95 %"];
    let mut last_label = f32::INFINITY;
    for (i, name) in names.into_iter().enumerate() {
        let median = i == 2;
        let points: Vec<(f64, f64)> =
            history.iter().map(|e| (e.epoch as f64, e.percentiles[i])).filter(|p| is_drawable(p.1)).collect();
        let places: Vec<_> = points.iter().map(|p| frame.place(p.0, p.1)).collect();
        canvas.line(&places, if median { 3.0 } else { 1.5 }, MARK)?;
        if let Some((&(x, y), (_, value))) = places.last().zip(points.last()) {
            // Labels are placed from the bottom up; a label that would overlap moves up.
            let y = y.min(last_label - 20.0);
            last_label = y;
            let style = TextStyle::new(if median { 16.0 } else { 14.0 }, INK, Align::Left);
            canvas.text(&format!("{name}  {value:.3}"), (x + 24.0, y), style);
        }
    }
    Ok(())
}

fn draw_shares(canvas: &mut Canvas, frame: &Frame, history: &[GammaEpoch]) -> Result<(), PlotError> {
    for (row, (name, colour, share)) in SHARES.into_iter().enumerate() {
        let points: Vec<(f64, f64)> =
            history.iter().map(|e| (e.epoch as f64, share(e))).filter(|p| is_drawable(p.1)).collect();
        let Some((_, value)) = points.last() else { continue };
        let places: Vec<_> = points.iter().map(|p| frame.place(p.0, p.1)).collect();
        canvas.line(&places, 2.5, colour)?;
        let x = frame.area.right() + 24.0;
        let y = frame.area.top + 20.0 + 30.0 * row as f32;
        canvas.line(&[(x, y), (x + 26.0, y)], 3.0, colour)?;
        let style = TextStyle::new(14.0, INK, Align::Left);
        canvas.text(&format!("{name}  {:.0} %", 100.0 * value), (x + 34.0, y), style);
    }
    Ok(())
}
