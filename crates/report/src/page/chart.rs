//! [`Chart`]: a line chart as SVG with round numbers at its axes.

use std::fmt::Write as _;
use std::ops::RangeInclusive;

use maud::{Markup, html};

/// Width of every chart in its own units; the page scales it.
const WIDTH: f64 = 420.0;
const LEFT: f64 = 44.0;
const RIGHT: f64 = 408.0;
const TOP: f64 = 30.0;
/// Height below the plot for the numbers and the name of the axis.
const BELOW: f64 = 38.0;
/// Maximum number of intervals between the numbers of an axis.
const TICKS: f64 = 5.0;

/// The texts of a chart: its title, its description for screen readers, and the names of its axes.
pub(super) struct Words<'a> {
    /// Prefix of the ids of its parts; one word, used once on the page.
    pub(super) id: &'a str,
    pub(super) title: &'a str,
    /// The result that the chart shows.
    pub(super) says: &'a str,
    pub(super) x: &'a str,
    pub(super) y: &'a str,
}

/// A chart that maps values to positions.
#[derive(Debug, Clone)]
pub(super) struct Chart {
    height: f64,
    x: RangeInclusive<f64>,
    y: RangeInclusive<f64>,
}

impl Chart {
    /// Axes that contain the ranges; the upright axis begins and ends at round numbers.
    pub(super) fn new(height: f64, x: RangeInclusive<f64>, y: RangeInclusive<f64>) -> Self {
        let y_step = step(&y);
        let y = (y.start() / y_step).floor() * y_step..=(y.end() / y_step).ceil() * y_step;
        Self { height, x, y }
    }

    /// Lower edge of the plotted area.
    pub(super) fn bottom(&self) -> f64 {
        self.height - BELOW
    }

    /// Horizontal position of a value.
    pub(super) fn at_x(&self, value: f64) -> f64 {
        LEFT + share(&self.x, value) * (RIGHT - LEFT)
    }

    /// Vertical position of a value.
    pub(super) fn at_y(&self, value: f64) -> f64 {
        self.bottom() - share(&self.y, value) * (self.bottom() - TOP)
    }

    /// A line through points; a value that is not finite leaves a gap.
    pub(super) fn path(&self, points: impl IntoIterator<Item = (f64, f64)>) -> String {
        let mut path = String::new();
        let mut pen_up = true;
        for (x, y) in points {
            if !(x.is_finite() && y.is_finite()) {
                pen_up = true;
                continue;
            }
            let command = if pen_up { 'M' } else { 'L' };
            pen_up = false;
            let _ = write!(path, "{command}{:.1} {:.1}", self.at_x(x), self.at_y(y));
        }
        path
    }

    /// Draws the chart with its axes and `inside` over them; numbers at the upright axis have `decimals`
    /// decimals.
    pub(super) fn draw(&self, words: &Words<'_>, decimals: usize, inside: &Markup) -> Markup {
        let title = format!("{}-t", words.id);
        let says = format!("{}-d", words.id);
        let bottom = self.bottom();
        let middle = f64::midpoint(LEFT, RIGHT);
        html! {
            svg viewBox=(format!("0 0 {WIDTH} {}", self.height)) role="img" aria-labelledby=(format!("{title} {says}")) {
                title id=(title) { (words.title) }
                desc id=(says) { (words.says) }
                @for value in ticks(&self.y) {
                    path class="grid" d=(format!("M{LEFT} {0:.1}H{RIGHT}", self.at_y(value))) {}
                    text x="38" y=(format!("{:.1}", self.at_y(value) + 4.0)) class="t" text-anchor="end" {
                        (format!("{value:.decimals$}"))
                    }
                }
                @for value in ticks(&self.x) {
                    text x=(format!("{:.1}", self.at_x(value))) y=(bottom + 16.0) class="t" text-anchor="middle" {
                        (value)
                    }
                }
                (inside)
                path class="axis" d=(format!("M{LEFT} {bottom:.1}H{RIGHT}")) {}
                text x=(middle) y=(self.height - 5.0) class="t" text-anchor="middle" { (words.x) }
                text x="2" y="11" class="t" { (words.y) }
            }
        }
    }
}

/// Position of a value in a range, 0 to 1; 0.5 if the range is empty.
fn share(range: &RangeInclusive<f64>, value: f64) -> f64 {
    let width = range.end() - range.start();
    if width > 0.0 { (value - range.start()) / width } else { 0.5 }
}

/// Distance between the numbers at an axis: 1, 2 or 5 times a power of ten.
fn step(range: &RangeInclusive<f64>) -> f64 {
    let width = range.end() - range.start();
    let rough = if width > 0.0 { width / TICKS } else { 1.0 };
    let power = 10f64.powf(rough.log10().floor());
    let factor = [1.0, 2.0, 5.0, 10.0].into_iter().find(|f| f * power >= rough * 0.999).unwrap_or(10.0);
    factor * power
}

/// The round numbers in a range.
fn ticks(range: &RangeInclusive<f64>) -> Vec<f64> {
    let step = step(range);
    let first = (range.start() / step).ceil() as i64;
    let last = (range.end() / step + 1e-9).floor() as i64;
    // Rounded to the decimals of the step, so that 0.30000000000000004 becomes 0.3.
    let scale = (1.0 / step).max(1.0).round();
    (first..=last).map(|i| (i as f64 * step * scale).round() / scale).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_have_round_numbers() {
        for (range, expected) in [
            (0.0..=1.0, vec![0.0, 0.2, 0.4, 0.6, 0.8, 1.0]),
            (0.0..=150.0, vec![0.0, 50.0, 100.0, 150.0]),
            (0.31..=0.62, vec![0.4, 0.5, 0.6]),
            (1.0..=1.0, vec![1.0]),
        ] {
            assert_eq!(ticks(&range), expected);
        }
    }

    #[test]
    fn a_value_that_is_not_finite_leaves_a_gap() {
        let chart = Chart::new(138.0, 0.0..=2.0, 0.0..=1.0);
        assert_eq!(chart.path([(0.0, 0.0), (1.0, f64::NAN), (2.0, 1.0)]), "M44.0 100.0M408.0 30.0");
        assert_eq!(chart.path([(0.0, 1.0), (2.0, 1.0)]), "M44.0 30.0L408.0 30.0");
    }

    #[test]
    fn a_single_value_stands_in_the_middle() {
        let chart = Chart::new(138.0, 3.0..=3.0, 0.0..=1.0);
        assert_eq!(chart.at_x(3.0), 226.0);
    }
}
