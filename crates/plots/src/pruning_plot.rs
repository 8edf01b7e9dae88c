//! [`draw_pruning`]: the picture `pruning.png`, with the mAP of a network that is pruned step by step.

use image::RgbImage;

use crate::axis::{Axis, Frame, is_drawable};
use crate::canvas::{Align, Area, Canvas, TextStyle};
use crate::error::PlotError;
use crate::palette::{Colour, INK, MARK, MUTED, RAW, STRONG};

const PANEL: (f32, f32) = (620.0, 520.0);

/// A network after some pruning steps; fractions are relative to the network before the first step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PruningStep {
    /// Fraction of parameters that is left, in `0..=1`.
    pub params: f64,
    /// Fraction of multiply-accumulates that is left, in `0..=1`.
    pub macs: f64,
    /// mAP right after pruning; NaN if not measured.
    pub map_pruned: f64,
    /// mAP after fine-tuning; NaN if not measured.
    pub map_recovered: f64,
}

/// Reads the value of a panel or line from a step.
type Share = fn(&PruningStep) -> f64;

const PANELS: [(&str, Share); 2] =
    [("parameters left, %", |s| s.params), ("multiply-accumulates left, %", |s| s.macs)];

/// Name, colour and value of a line.
type Line = (&'static str, Colour, Share);

const LINES: [Line; 2] =
    [("recovered", STRONG, |s| s.map_recovered), ("right after pruning", RAW, |s| s.map_pruned)];

/// Draws two panels, 1240 x 580 px: mAP over the fraction of parameters and over the fraction of
/// multiply-accumulates, both falling to the right, before and after recovery. `limit`, the lowest acceptable
/// mAP, is a horizontal line.
///
/// # Errors
/// If the drawing library fails.
pub fn draw_pruning(steps: &[PruningStep], limit: Option<f64>) -> Result<RgbImage, PlotError> {
    let mut canvas = Canvas::chart(2 * PANEL.0 as u32, PANEL.1 as u32 + 60);
    let values = || steps.iter().flat_map(|s| [s.map_pruned, s.map_recovered]).chain(limit);
    let Some(map) = Axis::around(values(), 6) else {
        let middle = (PANEL.0, PANEL.1 / 2.0);
        canvas.text("no steps", middle, TextStyle::new(17.0, MUTED, Align::Centre));
        return Ok(canvas.finish());
    };
    for (column, (name, share)) in PANELS.into_iter().enumerate() {
        let left = column as f32 * PANEL.0;
        let area = Area { left, top: 30.0, width: PANEL.0, height: PANEL.1 }.within(76.0, 30.0, 24.0, 40.0);
        let frame = Frame { area, x: Axis::falling_percent(), y: map.clone(), downwards: false };
        frame.draw(&mut canvas)?;
        let foot = (area.left + area.width / 2.0, area.bottom() + 46.0);
        canvas.text(name, foot, TextStyle::new(16.0, INK, Align::Centre));
        if let Some(limit) = limit.filter(|l| is_drawable(*l)) {
            let y = frame.place(0.0, limit).1;
            canvas.line(&[(area.left, y), (area.right(), y)], 1.5, MARK)?;
        }
        for (_, colour, value) in LINES {
            let drawn = steps.iter().filter(|s| is_drawable(value(s)) && is_drawable(share(s)));
            let places: Vec<_> = drawn.map(|s| frame.place(100.0 * share(s), value(s))).collect();
            canvas.line(&places, 2.5, colour)?;
            places.iter().try_for_each(|place| canvas.dot(*place, 4.5, colour))?;
        }
    }
    let mut x = 76.0;
    let limit = limit.map(|_| ("limit", MARK));
    for (name, colour) in LINES.iter().map(|l| (l.0, l.1)).chain(limit) {
        canvas.line(&[(x, 24.0), (x + 26.0, 24.0)], 3.0, colour)?;
        canvas.text(name, (x + 34.0, 24.0), TextStyle::new(15.0, INK, Align::Left));
        x += 220.0;
    }
    canvas.text("mAP50-95", (PANEL.0 * 2.0 - 24.0, 24.0), TextStyle::new(15.0, MUTED, Align::Right));
    Ok(canvas.finish())
}
