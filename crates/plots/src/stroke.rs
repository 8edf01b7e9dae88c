//! [`Stroke`]: the line style of a class, with dashes when the colours repeat.

use bonsai_boxes::CLASS_COLOURS;

use crate::canvas::Canvas;
use crate::error::PlotError;
use crate::palette::{Colour, class_colour};

/// Lengths of dashes and of the gaps between them, in pixels.
const DASH: f32 = 12.0;
const GAP: f32 = 7.0;

/// A line style.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Stroke {
    pub(crate) width: f32,
    pub(crate) colour: Colour,
    pub(crate) dashed: bool,
}

impl Stroke {
    pub(crate) fn solid(width: f32, colour: Colour) -> Self {
        Self { width, colour, dashed: false }
    }

    /// Solid for the classes with distinct colours, dashed for the next as many, and so on alternately.
    pub(crate) fn of_class(class_id: usize) -> Self {
        let dashed = (class_id / CLASS_COLOURS) % 2 == 1;
        Self { width: 2.0, colour: class_colour(class_id), dashed }
    }

    /// Connects `points`.
    pub(crate) fn draw(self, canvas: &mut Canvas, points: &[(f32, f32)]) -> Result<(), PlotError> {
        if !self.dashed {
            return canvas.line(points, self.width, self.colour);
        }
        dashes(points).iter().try_for_each(|dash| canvas.line(dash, self.width, self.colour))
    }
}

/// Splits a line into dashes of constant length along the line.
fn dashes(points: &[(f32, f32)]) -> Vec<Vec<(f32, f32)>> {
    let Some(&first) = points.first() else { return Vec::new() };
    let mut dashes = vec![vec![first]];
    let mut drawing = true;
    let mut left = DASH;
    for pair in points.windows(2) {
        let mut from = pair[0];
        let to = pair[1];
        loop {
            let length = (to.0 - from.0).hypot(to.1 - from.1);
            let end = if length <= left {
                to
            } else {
                let share = left / length;
                (from.0 + (to.0 - from.0) * share, from.1 + (to.1 - from.1) * share)
            };
            if drawing && let Some(dash) = dashes.last_mut() {
                dash.push(end);
            }
            if length <= left {
                left -= length;
                break;
            }
            from = end;
            drawing = !drawing;
            left = if drawing { DASH } else { GAP };
            if drawing {
                dashes.push(vec![end]);
            }
        }
    }
    dashes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dashes_have_one_length_however_the_line_is_cut() {
        let straight = dashes(&[(0.0, 0.0), (50.0, 0.0)]);
        let starts: Vec<f32> = straight.iter().map(|dash| dash[0].0).collect();
        assert_eq!(starts, [0.0, 19.0, 38.0]);
        assert_eq!(straight[0].last(), Some(&(12.0, 0.0)));
        let fine: Vec<(f32, f32)> = (0..=50).map(|x| (x as f32, 0.0)).collect();
        let fine: Vec<f32> = dashes(&fine).iter().map(|dash| dash[0].0).collect();
        assert_eq!(fine, starts);
        assert_eq!(dashes(&[(3.0, 4.0)]), [vec![(3.0, 4.0)]]);
        assert!(dashes(&[]).is_empty());
    }

    #[test]
    fn classes_of_one_colour_differ() {
        let a = Stroke::of_class(1);
        let b = Stroke::of_class(1 + CLASS_COLOURS);
        assert!(a.colour == b.colour && a.dashed != b.dashed);
    }
}
