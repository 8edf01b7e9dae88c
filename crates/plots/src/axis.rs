//! [`Axis`] and [`Frame`]: map values to pixels, with the range of an axis, its ticks, and the frame of a
//! chart.

use crate::canvas::{Align, Area, Canvas, TextStyle};
use crate::error::PlotError;
use crate::palette::{INK, MUTED, RULE};

/// Values further from zero are treated as missing, because no axis could show them together with others.
const LARGEST: f64 = 1e30;

/// Size of the tick labels, in pixels.
pub(crate) const TICK_EM: f32 = 15.0;

/// Whether a value can be drawn.
pub(crate) fn is_drawable(value: f64) -> bool {
    value.is_finite() && value.abs() <= LARGEST
}

/// The range of values along one side of a chart.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Axis {
    /// Value at the left or bottom end; greater than `high` if the axis falls.
    low: f64,
    high: f64,
    /// Distance between ticks.
    step: f64,
}

impl Axis {
    /// From 0 to 1.
    pub(crate) fn fraction() -> Self {
        Self { low: 0.0, high: 1.0, step: 0.2 }
    }

    /// A range around those `values` that can be drawn, with a small margin and about `ticks` ticks.
    pub(crate) fn around(values: impl Iterator<Item = f64>, ticks: u32) -> Option<Self> {
        let (low, high) = range(values)?;
        let room = if high > low { (high - low) * 0.05 } else { (high.abs() * 0.1).max(1e-3) };
        let low = low - room;
        let high = high + room;
        Some(Self { low, high, step: round_step((high - low) / f64::from(ticks.max(1))) })
    }

    /// A range around whole numbers such as epochs: ticks are whole numbers, and a single value is in the
    /// middle.
    pub(crate) fn whole(values: impl Iterator<Item = f64>, ticks: u32) -> Option<Self> {
        let (low, high) = range(values)?;
        let room = if high > low { (high - low) * 0.03 } else { 1.0 };
        let step = round_step((high - low) / f64::from(ticks.max(1))).max(1.0);
        Some(Self { low: low - room, high: high + room, step })
    }

    /// Percent, from a hundred on the left to zero on the right.
    pub(crate) fn falling_percent() -> Self {
        Self { low: 103.0, high: -3.0, step: 20.0 }
    }

    /// From 0 to `high`, with about `ticks` ticks.
    pub(crate) fn from_zero(high: f64, ticks: u32) -> Self {
        Self { low: 0.0, high, step: round_step(high / f64::from(ticks.max(1))) }
    }

    /// From 0 to slightly above the largest count.
    pub(crate) fn count(largest: u64, ticks: u32) -> Self {
        let high = (largest as f64 * 1.08).max(1.0);
        Self { low: 0.0, high, step: round_step(high / f64::from(ticks.max(1))).max(1.0) }
    }

    /// Position of `value`, from 0 at the low end to 1 at the high end.
    pub(crate) fn share(&self, value: f64) -> f64 {
        ((value - self.low) / (self.high - self.low)).clamp(0.0, 1.0)
    }

    /// Values and labels of the ticks.
    pub(crate) fn ticks(&self) -> Vec<(f64, String)> {
        let low = self.low.min(self.high);
        let high = self.low.max(self.high);
        let slack = self.step * 1e-6;
        let first = ((low - slack) / self.step).ceil();
        // There are more than a hundred ticks only if the step is below the resolution of the numbers.
        (0..100)
            .map(|i| (first + f64::from(i)) * self.step)
            .take_while(|value| *value <= high + slack)
            .map(|value| (value, number(value, self.step)))
            .collect()
    }
}

/// The axes of a chart around its drawing area.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    pub(crate) area: Area,
    pub(crate) x: Axis,
    pub(crate) y: Axis,
    /// Whether y grows downwards, as in image coordinates.
    pub(crate) downwards: bool,
}

impl Frame {
    /// The pixel position of a point of the chart.
    pub(crate) fn place(&self, x: f64, y: f64) -> (f32, f32) {
        let y = if self.downwards { self.y.share(y) } else { 1.0 - self.y.share(y) };
        (
            self.area.left + self.area.width * self.x.share(x) as f32,
            self.area.top + self.area.height * y as f32,
        )
    }

    /// Draws rules and tick labels of both axes.
    pub(crate) fn draw(&self, canvas: &mut Canvas) -> Result<(), PlotError> {
        self.draw_rows(canvas)?;
        for (value, label) in self.x.ticks() {
            let (x, _) = self.place(value, 0.0);
            let bottom = self.area.bottom();
            canvas.fill(Area { left: x - 0.5, top: bottom, width: 1.0, height: 5.0 }, MUTED)?;
            canvas.text(&label, (x, bottom + 18.0), TextStyle::new(TICK_EM, MUTED, Align::Centre));
        }
        Ok(())
    }

    /// Draws rules and tick labels of the y axis.
    pub(crate) fn draw_rows(&self, canvas: &mut Canvas) -> Result<(), PlotError> {
        let Area { left, width, .. } = self.area;
        for (value, label) in self.y.ticks() {
            let (_, y) = self.place(0.0, value);
            canvas.fill(Area { left, top: y - 0.5, width, height: 1.0 }, RULE)?;
            canvas.text(&label, (left - 8.0, y), TextStyle::new(TICK_EM, MUTED, Align::Right));
        }
        canvas.fill(Area { top: self.area.bottom() - 0.5, height: 1.0, ..self.area }, INK)
    }
}

/// The smallest and the largest value that can be drawn.
fn range(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values.filter(|&v| is_drawable(v)).fold(None, |range, v| match range {
        None => Some((v, v)),
        Some((low, high)) => Some((v.min(low), v.max(high))),
    })
}

/// The smallest of 1, 2, 5, 10, 20 and so on that is not below `step`.
fn round_step(step: f64) -> f64 {
    if step.is_nan() || step <= 0.0 {
        return 1.0;
    }
    let power = 10f64.powf(step.log10().floor());
    let factor = [1.0, 2.0, 5.0].into_iter().find(|factor| factor * power >= step * (1.0 - 1e-9));
    factor.unwrap_or(10.0) * power
}

/// `value` with as many decimals as `step` needs, and a typographic minus sign.
fn number(value: f64, step: f64) -> String {
    let text = if value.abs() >= 1e6 || step < 1e-4 && value != 0.0 {
        format!("{value:.1e}")
    } else {
        let decimals = (-step.log10()).ceil().max(0.0) as usize;
        format!("{value:.decimals$}")
    };
    let is_zero = text.trim_start_matches('-').bytes().all(|b| matches!(b, b'0' | b'.'));
    if is_zero { text.trim_start_matches('-').to_owned() } else { text.replace('-', "\u{2212}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &Axis) -> Vec<String> {
        axis.ticks().into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn ticks_are_round_numbers() {
        assert_eq!(labels(&Axis::fraction()), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        let losses = Axis::around([1.21, 3.94, f64::NAN, 2.0].into_iter(), 5).unwrap();
        assert_eq!(labels(&losses), ["2", "3", "4"]);
        let around_zero = Axis::around([-0.1, 0.1].into_iter(), 5).unwrap();
        assert_eq!(labels(&around_zero), ["\u{2212}0.10", "\u{2212}0.05", "0.00", "0.05", "0.10"]);
        assert_eq!(labels(&Axis::whole([1.0, 3.0].into_iter(), 6).unwrap()), ["1", "2", "3"]);
        assert_eq!(labels(&Axis::whole([7.0].into_iter(), 6).unwrap()), ["6", "7", "8"]);
        assert_eq!(labels(&Axis::count(0, 5)), ["0", "1"]);
    }

    #[test]
    fn any_values_give_a_bounded_axis() {
        for values in [[0.0, 0.0], [1e-30, 1e-30], [1e29, 1e29], [-1e30, 1e30], [5.0, f64::INFINITY]] {
            let axis = Axis::around(values.into_iter(), 5).unwrap();
            let ticks = axis.ticks();
            assert!(!ticks.is_empty() && ticks.len() < 12, "{values:?}: {ticks:?}");
            assert!((0.0..=1.0).contains(&axis.share(values[0])));
        }
        assert_eq!(Axis::around([f64::NAN, 1e40].into_iter(), 5), None);
    }
}
