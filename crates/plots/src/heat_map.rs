//! [`HeatMap`]: the density of points of the unit square, as shaded squares.

use crate::axis::Frame;
use crate::canvas::{Area, Canvas};
use crate::error::PlotError;
use crate::palette::{MUTED, shade};

/// Number of squares along each side.
const BINS: usize = 50;

/// Counts of points in the unit square.
pub(crate) struct HeatMap {
    counts: Vec<u64>,
}

impl HeatMap {
    /// Counts points; points outside `0..=1` count in the nearest square, points that are not finite are
    /// ignored.
    pub(crate) fn from_points(points: impl Iterator<Item = (f32, f32)>) -> Self {
        let mut counts = vec![0; BINS * BINS];
        let bin = |v: f32| ((v.clamp(0.0, 1.0) * BINS as f32) as usize).min(BINS - 1);
        for (x, y) in points.filter(|(x, y)| x.is_finite() && y.is_finite()) {
            counts[bin(y) * BINS + bin(x)] += 1;
        }
        Self { counts }
    }

    /// Draws the map into the frame, whose axes must run from 0 to 1.
    pub(crate) fn draw(&self, canvas: &mut Canvas, frame: &Frame) -> Result<(), PlotError> {
        frame.draw(canvas)?;
        let largest = self.counts.iter().copied().max().unwrap_or(0).max(1) as f64;
        let at = |bin: usize| bin as f64 / BINS as f64;
        for (index, &count) in self.counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            let row = index / BINS;
            let column = index % BINS;
            let a = frame.place(at(column), at(row));
            let b = frame.place(at(column + 1), at(row + 1));
            let square = Area { left: a.0, top: a.1.min(b.1), width: b.0 - a.0, height: (b.1 - a.1).abs() };
            // Every non-zero square must be visible, even if its count is small.
            canvas.fill(square, shade(0.12 + 0.88 * count as f64 / largest))?;
        }
        canvas.frame(frame.area, 1.0, MUTED)
    }
}
