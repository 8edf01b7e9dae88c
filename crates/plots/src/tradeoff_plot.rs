//! [`draw_tradeoff`]: accuracy over cost of several networks.

use image::RgbImage;

use crate::axis::{Axis, Frame, is_drawable};
use crate::canvas::{Align, Area, Canvas, TextStyle};
use crate::error::PlotError;
use crate::palette::{Colour, INK, MUTED, RAW, RULE, STRONG, WHITE};

const PANEL: (f32, f32) = (620.0, 520.0);
const LABEL_EM: f32 = 13.0;

/// One network.
#[derive(Debug, Clone, PartialEq)]
pub struct TradeoffPoint {
    /// Label of the point, drawn if there is room.
    pub name: String,
    /// The cost of the network, in the unit of each panel.
    pub costs: [f64; 2],
    /// mAP50-95.
    pub map: f64,
    /// For each panel, whether no other network is both more accurate and cheaper.
    pub best: [bool; 2],
    /// Whether the other networks are compared with this one.
    pub is_baseline: bool,
}

/// Draws two panels, 1240 x 580 px: mAP50-95 over each cost. The best networks are filled dots joined by a
/// line, the others hollow dots. Baselines are squares, with a band of `near` around their mean.
///
/// # Errors
/// If the drawing library fails.
pub fn draw_tradeoff(points: &[TradeoffPoint], costs: [&str; 2], near: f64) -> Result<RgbImage, PlotError> {
    let mut canvas = Canvas::chart(2 * PANEL.0 as u32, PANEL.1 as u32 + 60);
    let baselines: Vec<f64> =
        points.iter().filter(|p| p.is_baseline && is_drawable(p.map)).map(|p| p.map).collect();
    let band = (!baselines.is_empty()).then(|| baselines.iter().sum::<f64>() / baselines.len() as f64);
    let edges = band.into_iter().flat_map(|mean| [mean - near, mean + near]);
    let Some(map) = Axis::around(points.iter().map(|p| p.map).chain(edges), 6) else {
        let middle = (PANEL.0, PANEL.1 / 2.0);
        canvas.text("no runs", middle, TextStyle::new(17.0, MUTED, Align::Centre));
        return Ok(canvas.finish());
    };
    for (panel, name) in costs.into_iter().enumerate() {
        let drawn: Vec<&TradeoffPoint> =
            points.iter().filter(|p| is_drawable(p.map) && is_drawable(p.costs[panel])).collect();
        // Costs are compared by their ratio, so the axis begins at 0.
        let most = drawn.iter().map(|p| p.costs[panel]).fold(0.0, f64::max);
        let x = Axis::from_zero(if most > 0.0 { most * 1.08 } else { 1.0 }, 6);
        let left = panel as f32 * PANEL.0;
        let area = Area { left, top: 30.0, width: PANEL.0, height: PANEL.1 }.within(76.0, 30.0, 24.0, 40.0);
        let frame = Frame { area, x, y: map.clone(), downwards: false };
        if let Some(mean) = band {
            let top = frame.place(0.0, mean + near).1;
            let bottom = frame.place(0.0, mean - near).1;
            canvas.fill(Area { top, height: bottom - top, ..area }, RULE)?;
        }
        frame.draw(&mut canvas)?;
        let foot = (area.left + area.width / 2.0, area.bottom() + 46.0);
        canvas.text(name, foot, TextStyle::new(16.0, INK, Align::Centre));
        draw_points(&mut canvas, &frame, &drawn, panel)?;
    }
    draw_key(&mut canvas, near)?;
    Ok(canvas.finish())
}

fn draw_points(
    canvas: &mut Canvas,
    frame: &Frame,
    drawn: &[&TradeoffPoint],
    panel: usize,
) -> Result<(), PlotError> {
    let place = |p: &TradeoffPoint| frame.place(p.costs[panel], p.map);
    let mut best: Vec<&&TradeoffPoint> = drawn.iter().filter(|p| p.best[panel]).collect();
    best.sort_by(|a, b| a.costs[panel].total_cmp(&b.costs[panel]));
    let line: Vec<_> = best.iter().map(|p| place(p)).collect();
    if line.len() > 1 {
        canvas.line(&line, 2.0, STRONG)?;
    }
    let mut labels: Vec<Area> = Vec::new();
    for point in drawn {
        let (x, y) = place(point);
        mark(canvas, (x, y), point.is_baseline, point.best[panel])?;
        let width = bonsai_text::width(&point.name, LABEL_EM);
        // The label is to the left of the mark if there is no room to its right.
        let (align, left) = if x + 10.0 + width < frame.area.right() {
            (Align::Left, x + 10.0)
        } else {
            (Align::Right, x - 10.0 - width)
        };
        let label = Area { left, top: y - 8.0, width, height: 16.0 };
        if !labels.iter().any(|other| other.overlaps(label)) {
            let x = if align == Align::Left { left } else { left + width };
            canvas.text(&point.name, (x, y), TextStyle::new(LABEL_EM, MUTED, align));
            labels.push(label);
        }
    }
    Ok(())
}

fn mark(canvas: &mut Canvas, (x, y): (f32, f32), is_baseline: bool, is_best: bool) -> Result<(), PlotError> {
    if is_baseline {
        return canvas.fill(Area { left: x - 5.0, top: y - 5.0, width: 10.0, height: 10.0 }, MUTED);
    }
    let colour: Colour = if is_best { STRONG } else { RAW };
    canvas.dot((x, y), 6.0, colour)?;
    if is_best { Ok(()) } else { canvas.dot((x, y), 4.0, WHITE) }
}

fn draw_key(canvas: &mut Canvas, near: f64) -> Result<(), PlotError> {
    let y = 24.0;
    canvas.line(&[(76.0, y), (102.0, y)], 2.0, STRONG)?;
    mark(canvas, (89.0, y), false, true)?;
    canvas.text("none is better and cheaper", (110.0, y), TextStyle::new(15.0, INK, Align::Left));
    mark(canvas, (350.0, y), false, false)?;
    canvas.text("others", (364.0, y), TextStyle::new(15.0, INK, Align::Left));
    canvas.fill(Area { left: 440.0, top: y - 9.0, width: 30.0, height: 18.0 }, RULE)?;
    mark(canvas, (455.0, y), true, false)?;
    let text = format!("baseline, its mean ± {near}");
    canvas.text(&text, (478.0, y), TextStyle::new(15.0, INK, Align::Left));
    canvas.text("mAP50-95", (PANEL.0 * 2.0 - 24.0, y), TextStyle::new(15.0, MUTED, Align::Right));
    Ok(())
}
