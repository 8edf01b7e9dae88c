//! [`draw_confusion_matrix`]: the picture `confusion_matrix.png`, which shows which classes are confused.

use image::RgbImage;

use crate::canvas::{Align, Area, Canvas, TextStyle};
use crate::error::PlotError;
use crate::palette::{INK, MUTED, RULE, readable_on, shade};

/// Side of the matrix, in pixels, unless its cells would be larger than [`LARGEST_CELL`].
const SIDE: f32 = 960.0;
const LARGEST_CELL: f32 = 130.0;
/// Largest number of rows for which the cells show numbers.
const MOST_NUMBERED: usize = 31;
/// Maximum width of names, in pixels.
const LONGEST_NAME: f32 = 190.0;
/// Width of the colour scale on the right, in pixels.
const SCALE: f32 = 120.0;

/// The values in the cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CellValue {
    /// Number of pairs.
    Count,
    /// The fraction of the true class, in `0..=1`: every column sums to 1.
    ShareOfTrueClass,
}

/// Draws counts of (predicted, true) classes, with a last row and column for the background.
///
/// `counts` are row by row; rows are predicted, columns true classes. Darker cells have higher values. With
/// up to 30 classes the cells show numbers, except those that would read 0. A class whose name the font
/// cannot write is shown by its number.
///
/// # Errors
/// If the number of counts is not (classes + 1) squared for the class names, or the drawing library fails.
pub fn draw_confusion_matrix(
    counts: &[u64],
    class_names: &[String],
    show: CellValue,
) -> Result<RgbImage, PlotError> {
    let side = class_names.len() + 1;
    if side.checked_mul(side) != Some(counts.len()) {
        return Err(PlotError::Matrix { cells: counts.len(), classes: class_names.len() });
    }
    let values = match show {
        CellValue::Count => counts.iter().map(|&count| count as f64).collect(),
        CellValue::ShareOfTrueClass => shares(counts, side),
    };
    let largest = match show {
        CellValue::Count => values.iter().copied().fold(1.0, f64::max),
        CellValue::ShareOfTrueClass => 1.0,
    };
    let names: Vec<String> = (0..side - 1)
        .map(|id| bonsai_text::class_name(class_names, id))
        .chain(["background".to_owned()])
        .collect();

    let cell = (SIDE / side as f32).min(LARGEST_CELL);
    let em = (cell * 0.6).clamp(10.0, 20.0);
    let names: Vec<String> = names.iter().map(|name| bonsai_text::fit(name, em, LONGEST_NAME)).collect();
    let room = names.iter().map(|name| bonsai_text::width(name, em)).fold(0.0, f32::max) + 24.0;
    let title = match show {
        CellValue::Count => "Confusion matrix",
        CellValue::ShareOfTrueClass => "Confusion matrix, fraction of each true class",
    };
    // A matrix of few cells can be narrower than its title.
    let extent = cell * side as f32;
    let width = (room + 50.0 + extent + SCALE).max(bonsai_text::width(title, 24.0) + 40.0);
    let area = Area { left: room + 50.0, top: 70.0, width: extent, height: extent };
    let mut canvas = Canvas::chart(width as u32, (area.bottom() + room + 50.0) as u32);
    canvas.text(title, (20.0, 34.0), TextStyle::new(24.0, INK, Align::Left));

    draw_cells(&mut canvas, area, &values, largest, show)?;
    draw_names(&mut canvas, area, &names, em);
    canvas.frame(area, 1.0, MUTED)?;
    draw_scale(&mut canvas, area, largest, show)?;
    let label = TextStyle::new(19.0, INK, Align::Centre);
    canvas.text("true", (area.left + extent / 2.0, area.bottom() + room + 22.0), label);
    canvas.text("predicted", (24.0, area.top + extent / 2.0), label.upwards());
    Ok(canvas.finish())
}

/// Every column divided by its sum.
fn shares(counts: &[u64], side: usize) -> Vec<f64> {
    let mut sums = vec![0.0; side];
    for row in counts.chunks_exact(side) {
        for (sum, &count) in sums.iter_mut().zip(row) {
            *sum += count as f64;
        }
    }
    counts.iter().zip(sums.iter().cycle()).map(|(&count, &sum)| count as f64 / sum.max(1.0)).collect()
}

fn draw_cells(
    canvas: &mut Canvas,
    area: Area,
    values: &[f64],
    largest: f64,
    show: CellValue,
) -> Result<(), PlotError> {
    let side = values.len().isqrt();
    let cell = area.width / side as f32;
    for (index, &value) in values.iter().enumerate().filter(|(_, value)| **value > 0.0) {
        let row = index / side;
        let column = index % side;
        let place = Area {
            left: area.left + column as f32 * cell,
            top: area.top + row as f32 * cell,
            width: cell,
            height: cell,
        };
        // Every non-zero cell must be visible, even if its value is small.
        let colour = shade((value / largest).max(0.04));
        canvas.fill(place, colour)?;
        let text = match show {
            CellValue::Count => format!("{value:.0}"),
            CellValue::ShareOfTrueClass if value >= 0.005 => format!("{value:.2}"),
            CellValue::ShareOfTrueClass => continue,
        };
        if side <= MOST_NUMBERED {
            let text = if bonsai_text::width(&text, 9.0) > cell - 4.0 { abbreviated(value) } else { text };
            let em = (cell * 0.3).min(24.0)
                * ((cell - 6.0) / bonsai_text::width(&text, (cell * 0.3).min(24.0))).min(1.0);
            let middle = (place.left + cell / 2.0, place.top + cell / 2.0);
            canvas.text(&text, middle, TextStyle::new(em, readable_on(colour), Align::Centre));
        }
    }
    if side <= MOST_NUMBERED {
        for line in 1..side {
            let at = line as f32 * cell - 0.5;
            canvas.fill(Area { left: area.left + at, width: 1.0, ..area }, RULE)?;
            canvas.fill(Area { top: area.top + at, height: 1.0, ..area }, RULE)?;
        }
    }
    Ok(())
}

/// A large count in at most four characters.
fn abbreviated(value: f64) -> String {
    let (divided, unit) = [(1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")]
        .into_iter()
        .find(|&(unit, _)| value >= unit)
        .map_or((value, ""), |(unit, letter)| (value / unit, letter));
    format!("{divided:.0}{unit}")
}

/// Names of rows at the left and of columns below; only some of them if cells are smaller than the text.
fn draw_names(canvas: &mut Canvas, area: Area, names: &[String], em: f32) {
    let cell = area.width / names.len() as f32;
    let every = (em * 1.1 / cell).ceil().max(1.0) as usize;
    let background = names.len() - 1;
    for (index, name) in names.iter().enumerate() {
        // The background is always named, so a class name that would overlap it is skipped.
        if index != background && (index % every != 0 || index + every > background) && every > 1 {
            continue;
        }
        let middle = (index as f32 + 0.5) * cell;
        let style = TextStyle::new(em, INK, Align::Right);
        canvas.text(name, (area.left - 10.0, area.top + middle), style);
        canvas.text(name, (area.left + middle, area.bottom() + 10.0), style.upwards());
    }
}

/// Draws the colour scale.
fn draw_scale(canvas: &mut Canvas, area: Area, largest: f64, show: CellValue) -> Result<(), PlotError> {
    let bar = Area { left: area.right() + 24.0, width: 18.0, ..area };
    let steps = bar.height.floor().max(1.0);
    for step in 0..steps as u32 {
        let top = bar.top + step as f32;
        canvas.fill(Area { top, height: 1.0, ..bar }, shade(1.0 - f64::from(step) / f64::from(steps)))?;
    }
    canvas.frame(bar, 1.0, MUTED)?;
    let text = |value: f64| match show {
        CellValue::Count if value >= 1e5 => abbreviated(value),
        CellValue::Count => format!("{value:.0}"),
        CellValue::ShareOfTrueClass => format!("{value:.1}"),
    };
    let style = TextStyle::new(15.0, MUTED, Align::Left);
    canvas.text(&text(largest), (bar.right() + 8.0, bar.top + 6.0), style);
    canvas.text(&text(0.0), (bar.right() + 8.0, bar.bottom() - 6.0), style);
    Ok(())
}
