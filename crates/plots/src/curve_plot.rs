//! [`draw_curves`]: `PR_curve`, `F1_curve`, `P_curve` and `R_curve`, with a line per class and their mean.

use image::RgbImage;

use crate::axis::{Axis, Frame, is_drawable};
use crate::canvas::{Align, Area, Canvas, TextStyle};
use crate::error::PlotError;
use crate::palette::{INK, MARK, MUTED, RULE, STRONG, WHITE, mix};
use crate::stroke::Stroke;

const SIZE: (u32, u32) = (1400, 900);
/// Width of the legend column, in pixels.
const LEGEND: f32 = 330.0;
/// Largest number of classes with own colours and names.
const MOST_NAMED: usize = 20;

/// The two quantities of a curve plot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CurveKind {
    /// Precision over confidence.
    Precision,
    /// Recall over confidence.
    Recall,
    /// F1 over confidence.
    F1,
    /// Precision over recall.
    PrecisionRecall,
}

impl CurveKind {
    /// Title, x label and y label.
    fn labels(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Precision => ("Precision over confidence", "confidence", "precision"),
            Self::Recall => ("Recall over confidence", "confidence", "recall"),
            Self::F1 => ("F1 over confidence", "confidence", "F1"),
            Self::PrecisionRecall => ("Precision over recall", "recall", "precision"),
        }
    }
}

/// A curve over `0..=1` with evenly spaced samples; a sample that is not finite is a gap.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClassCurve<'a> {
    /// Index into the class names.
    pub class_id: usize,
    /// The samples, in `0..=1`.
    pub values: &'a [f64],
    /// A number shown after the name; for precision over recall, the average precision.
    pub figure: Option<f64>,
}

/// The input of [`draw_curves`].
#[derive(Debug, Clone, PartialEq)]
pub struct CurvePlot<'a> {
    /// The two quantities of the plot.
    pub kind: CurveKind,
    /// One thin line per class.
    pub classes: &'a [ClassCurve<'a>],
    /// Samples of the bold line, in the layout of [`ClassCurve::values`]; empty for no line.
    pub mean: &'a [f64],
    /// A number shown after "all classes"; for precision over recall, the mean average precision.
    pub mean_figure: Option<f64>,
    /// The position in `0..=1` to mark on the mean, and the value to show there.
    pub best: Option<(f64, f64)>,
}

/// Draws a line per class, their mean in bold and its best point, 1400 x 900 px.
///
/// Up to 20 classes are named in the legend, with dashed lines after the twelfth; with more classes all lines
/// are grey. A class whose name the font cannot write is shown by its number.
///
/// # Errors
/// If the drawing library fails.
pub fn draw_curves(plot: &CurvePlot, class_names: &[String]) -> Result<RgbImage, PlotError> {
    let mut canvas = Canvas::chart(SIZE.0, SIZE.1);
    let sheet = Area { left: 0.0, top: 0.0, width: SIZE.0 as f32, height: SIZE.1 as f32 };
    let frame = Frame {
        area: sheet.within(96.0, 72.0, LEGEND + 24.0, 84.0),
        x: Axis::fraction(),
        y: Axis::fraction(),
        downwards: false,
    };
    let Area { left, top, width, height } = frame.area;
    let (title, x, y) = plot.kind.labels();
    frame.draw(&mut canvas)?;
    canvas.text(title, (left, top - 34.0), TextStyle::new(24.0, INK, Align::Left));
    let label = TextStyle::new(19.0, INK, Align::Centre);
    canvas.text(x, (left + width / 2.0, frame.area.bottom() + 52.0), label);
    canvas.text(y, (left - 66.0, top + height / 2.0), label.upwards());

    let named = plot.classes.len() <= MOST_NAMED;
    for class in plot.classes {
        let stroke = if named { Stroke::of_class(class.class_id) } else { unnamed() };
        draw_curve(&mut canvas, &frame, class.values, stroke)?;
    }
    draw_curve(&mut canvas, &frame, plot.mean, mean())?;
    draw_legend(&mut canvas, &frame, plot, class_names)?;
    draw_best(&mut canvas, &frame, plot)?;
    if plot.classes.is_empty() && plot.mean.is_empty() {
        let middle = (left + width / 2.0, top + height / 2.0);
        canvas.text("no class has labels", middle, TextStyle::new(20.0, MUTED, Align::Centre));
    }
    Ok(canvas.finish())
}

/// Line style of one of many classes.
fn unnamed() -> Stroke {
    Stroke::solid(1.0, mix(WHITE, MUTED, 0.45))
}

/// Line style of the mean over all classes.
fn mean() -> Stroke {
    Stroke::solid(4.5, STRONG)
}

fn draw_curve(canvas: &mut Canvas, frame: &Frame, values: &[f64], stroke: Stroke) -> Result<(), PlotError> {
    let last = values.len().saturating_sub(1).max(1) as f64;
    let points: Vec<(f64, f64)> = values.iter().enumerate().map(|(i, &y)| (i as f64 / last, y)).collect();
    for part in points.split(|&(_, y)| !is_drawable(y)) {
        let part: Vec<_> = part.iter().map(|&(x, y)| frame.place(x, y)).collect();
        stroke.draw(canvas, &part)?;
    }
    Ok(())
}

fn draw_legend(
    canvas: &mut Canvas,
    frame: &Frame,
    plot: &CurvePlot,
    class_names: &[String],
) -> Result<(), PlotError> {
    let with_figure = |figure: Option<f64>| {
        figure.filter(|value| is_drawable(*value)).map(|value| format!("{value:.3}")).unwrap_or_default()
    };
    let mut entries = Vec::new();
    if plot.classes.len() <= MOST_NAMED {
        for class in plot.classes {
            let name = bonsai_text::class_name(class_names, class.class_id);
            entries.push((name, with_figure(class.figure), Stroke::of_class(class.class_id)));
        }
    } else {
        let name = format!("each of {} classes", plot.classes.len());
        entries.push((name, String::new(), unnamed()));
    }
    if !plot.mean.is_empty() {
        entries.push(("all classes".to_owned(), with_figure(plot.mean_figure), mean()));
    }
    let left = frame.area.right() + 30.0;
    let right = SIZE.0 as f32 - 20.0;
    if plot.kind == CurveKind::PrecisionRecall && plot.mean_figure.is_some() {
        canvas.text("AP", (right, frame.area.top - 14.0), TextStyle::new(16.0, MUTED, Align::Right));
    }
    let mut y = frame.area.top + 14.0;
    for (name, figure, stroke) in entries {
        stroke.draw(canvas, &[(left, y), (left + 32.0, y)])?;
        let figure_width = if figure.is_empty() { 0.0 } else { bonsai_text::width(&figure, 18.0) + 12.0 };
        let name = bonsai_text::fit(&name, 18.0, right - left - 44.0 - figure_width);
        canvas.text(&name, (left + 44.0, y), TextStyle::new(18.0, INK, Align::Left));
        canvas.text(&figure, (right, y), TextStyle::new(18.0, INK, Align::Right));
        y += 32.0;
    }
    Ok(())
}

/// Marks the best position on the mean and shows its value.
fn draw_best(canvas: &mut Canvas, frame: &Frame, plot: &CurvePlot) -> Result<(), PlotError> {
    let Some((position, value)) = plot.best.filter(|&(x, y)| is_drawable(x) && is_drawable(y)) else {
        return Ok(());
    };
    let position = position.clamp(0.0, 1.0);
    let last = plot.mean.len().saturating_sub(1) as f64;
    let Some(&height) = plot.mean.get((position * last).round() as usize).filter(|v| is_drawable(**v)) else {
        return Ok(());
    };
    let (x, y) = frame.place(position, height);
    canvas.dot((x, y), 8.0, WHITE)?;
    canvas.dot((x, y), 6.0, MARK)?;

    let text = format!("all classes {value:.2} at {position:.3}");
    let em = 18.0;
    let margin = 8.0;
    let width = bonsai_text::width(&text, em) + 2.0 * margin;
    let area = frame.area;
    let left = (x - width / 2.0).clamp(area.left + 4.0, area.right() - width - 4.0);
    let above = y - 40.0;
    let middle = if above > area.top + 16.0 { above } else { y + 40.0 };
    let plate = Area { left, top: middle - 16.0, width, height: 32.0 };
    canvas.fill(plate, WHITE)?;
    canvas.frame(plate, 1.0, RULE)?;
    canvas.text(&text, (left + margin, middle), TextStyle::new(em, INK, Align::Left));
    Ok(())
}
