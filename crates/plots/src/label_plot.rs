//! [`draw_labels`]: the picture `labels.png`, with the labels of a dataset.

use std::collections::BTreeMap;

use bonsai_boxes::Cxcywh;
use image::RgbImage;

use crate::axis::{Axis, Frame};
use crate::canvas::{Align, Area, Canvas, TextStyle};
use crate::error::PlotError;
use crate::heat_map::HeatMap;
use crate::palette::{INK, MUTED, WHITE, class_colour, mix};

const PANEL: f32 = 760.0;
/// Maximum number of boxes that are drawn over each other.
const MOST_BOXES: usize = 1000;
/// Largest number of classes for which names are shown below the bars.
const MOST_NAMED: usize = 40;
/// Maximum width of names, in pixels.
const LONGEST_NAME: f32 = 130.0;

/// A label of a dataset.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LabelBox {
    /// Index into the class names.
    pub class_id: usize,
    /// The box in fractions of its image, in `0..=1`, as in label files.
    pub bbox: Cxcywh,
}

/// Draws four panels, 1520 x 1520 px: instances of each class, boxes drawn over each other around one centre,
/// and the densities of centres and of sizes.
///
/// Centres are drawn as in an image, with y downwards. Of more than 1000 boxes, 1000 evenly spaced ones are
/// drawn over each other. Boxes with values that are not finite are counted but not drawn. A class whose name
/// is missing or has characters that the font lacks is shown by its number.
///
/// # Errors
/// If the drawing library fails.
pub fn draw_labels(labels: &[LabelBox], class_names: &[String]) -> Result<RgbImage, PlotError> {
    let side = 2.0 * PANEL;
    let mut canvas = Canvas::chart(side as u32, side as u32);
    let panel =
        |row: f32, column: f32| Area { left: column * PANEL, top: row * PANEL, width: PANEL, height: PANEL };
    draw_classes(&mut canvas, panel(0.0, 0.0), labels, class_names)?;
    draw_boxes(&mut canvas, panel(0.0, 1.0), labels)?;
    let centres = HeatMap::from_points(labels.iter().map(|l| (l.bbox.cx, l.bbox.cy)));
    let sizes = HeatMap::from_points(labels.iter().map(|l| (l.bbox.w, l.bbox.h)));
    let maps = [(centres, "Centres", "x", "y", true), (sizes, "Sizes", "width", "height", false)];
    for (column, (map, title, x, y, downwards)) in maps.into_iter().enumerate() {
        let place = panel(1.0, column as f32);
        let area = heading(&mut canvas, place, title, "fraction of the image; darker is more");
        let frame = Frame { area, x: Axis::fraction(), y: Axis::fraction(), downwards };
        map.draw(&mut canvas, &frame)?;
        let label = TextStyle::new(18.0, INK, Align::Centre);
        canvas.text(x, (area.left + area.width / 2.0, area.bottom() + 46.0), label);
        canvas.text(y, (area.left - 56.0, area.top + area.height / 2.0), label.upwards());
    }
    Ok(canvas.finish())
}

/// Writes title and note, and returns the rest of the panel for a square chart.
fn heading(canvas: &mut Canvas, panel: Area, title: &str, note: &str) -> Area {
    let area = panel.within(90.0, 84.0, 30.0, 84.0);
    let side = area.width.min(area.height);
    canvas.text(title, (area.left, panel.top + 32.0), TextStyle::new(23.0, INK, Align::Left));
    canvas.text(note, (area.left, panel.top + 60.0), TextStyle::new(16.0, MUTED, Align::Left));
    Area { width: side, height: side, ..area }
}

fn draw_classes(
    canvas: &mut Canvas,
    panel: Area,
    labels: &[LabelBox],
    class_names: &[String],
) -> Result<(), PlotError> {
    let mut counts: BTreeMap<usize, u64> = (0..class_names.len()).map(|id| (id, 0)).collect();
    for label in labels {
        *counts.entry(label.class_id).or_default() += 1;
    }
    let note = format!("{} in {} classes", labels.len(), counts.len());
    let chart = heading(canvas, panel, "Instances", &note);
    if counts.is_empty() {
        let middle = (chart.left + chart.width / 2.0, chart.top + chart.height / 2.0);
        canvas.text("no labels", middle, TextStyle::new(20.0, MUTED, Align::Centre));
        return Ok(());
    }
    let named = counts.len() <= MOST_NAMED;
    let slot = chart.width / counts.len() as f32;
    let em = (slot * 0.7).clamp(11.0, 18.0);
    let names: Vec<String> = counts
        .keys()
        .map(|&id| if named { bonsai_text::class_name(class_names, id) } else { String::new() })
        .map(|name| bonsai_text::fit(&name, em, LONGEST_NAME))
        .collect();
    let upright = names.iter().any(|name| bonsai_text::width(name, em) > slot - 8.0);
    let widest = names.iter().map(|name| bonsai_text::width(name, em)).fold(0.0, f32::max);
    // Below a square chart there is room for one row of text; vertical names reduce the height of the bars.
    let area = if upright { chart.within(0.0, 0.0, 0.0, (widest - 40.0).max(0.0)) } else { chart };
    let largest = counts.values().copied().max().unwrap_or(0);
    let frame = Frame { area, x: Axis::fraction(), y: Axis::count(largest, 6), downwards: false };
    frame.draw_rows(canvas)?;
    for (index, ((&class_id, &count), name)) in counts.iter().zip(&names).enumerate() {
        let left = area.left + index as f32 * slot;
        let middle = left + slot / 2.0;
        let (_, top) = frame.place(0.0, count as f64);
        if count > 0 {
            let bar = Area { left: left + slot * 0.1, top, width: slot * 0.8, height: area.bottom() - top };
            canvas.fill(bar, class_colour(class_id))?;
        }
        let number = count.to_string();
        let number_em = (14.0 * (slot - 2.0) / bonsai_text::width(&number, 14.0)).min(14.0);
        if named && number_em >= 9.0 {
            canvas.text(&number, (middle, top - 10.0), TextStyle::new(number_em, MUTED, Align::Centre));
        }
        if upright {
            let style = TextStyle::new(em, INK, Align::Right).upwards();
            canvas.text(name, (middle, area.bottom() + 10.0), style);
        } else {
            canvas.text(name, (middle, area.bottom() + 20.0), TextStyle::new(em, INK, Align::Centre));
        }
    }
    if !named {
        let note =
            format!("classes {} to {}", counts.keys().min().unwrap_or(&0), counts.keys().max().unwrap_or(&0));
        let below = (area.left + area.width / 2.0, area.bottom() + 22.0);
        canvas.text(&note, below, TextStyle::new(16.0, MUTED, Align::Centre));
    }
    Ok(())
}

fn draw_boxes(canvas: &mut Canvas, panel: Area, labels: &[LabelBox]) -> Result<(), PlotError> {
    let shown = labels.len().min(MOST_BOXES);
    let area = heading(canvas, panel, "Boxes", &format!("{shown} of {}, with one centre", labels.len()));
    canvas.frame(area, 1.0, MUTED)?;
    for index in 0..shown {
        let label = labels[index * labels.len() / shown];
        let w = label.bbox.w;
        let h = label.bbox.h;
        if !(w.is_finite() && h.is_finite()) {
            continue;
        }
        let width = area.width * w.clamp(0.0, 1.0);
        let height = area.height * h.clamp(0.0, 1.0);
        let place = Area {
            left: area.left + (area.width - width) / 2.0,
            top: area.top + (area.height - height) / 2.0,
            width,
            height,
        };
        canvas.frame(place, 1.0, mix(WHITE, class_colour(label.class_id), 0.8))?;
    }
    Ok(())
}
