//! [`PixelBox`]: a box of a COCO or VOC file, and the label that it becomes.

use crate::WarningKind;
use crate::class_word::ClassWords;
use crate::label_row::{Row, row_of};

/// Edges of a box in pixels of its image.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct PixelBox {
    pub(crate) x1: f64,
    pub(crate) y1: f64,
    pub(crate) x2: f64,
    pub(crate) y2: f64,
}

impl PixelBox {
    /// The label of the class called `name` in an image of `width x height`, by the same rules as a row of text.
    ///
    /// # Errors
    /// The flaw that makes the box unusable.
    pub(crate) fn row(
        self,
        name: &str,
        (width, height): (f64, f64),
        classes: &ClassWords,
    ) -> Result<Row, WarningKind> {
        let class = classes.called(name)?;
        // Computed in f64, so that a box written with all digits gives the same f32 as the row of text it came from.
        let values = [
            f64::midpoint(self.x1, self.x2) / width,
            f64::midpoint(self.y1, self.y2) / height,
            (self.x2 - self.x1) / width,
            (self.y2 - self.y1) / height,
        ];
        let values = values.map(|value| value as f32);
        if let Some(value) = values.iter().find(|value| !value.is_finite()) {
            return Err(WarningKind::NotANumber { word: value.to_string() });
        }
        row_of(class, values.to_vec(), Vec::new()).map_err(|kind| match kind {
            // The numbers were pixels; the box lies outside of the image.
            WarningKind::PixelCoordinate { value } => WarningKind::CoordinateOutOfRange { value },
            kind => kind,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(edges: [f64; 4]) -> Result<Row, WarningKind> {
        let [x1, y1, x2, y2] = edges;
        let classes = ClassWords::new(&["cat".to_owned()]);
        PixelBox { x1, y1, x2, y2 }.row("Cat", (640.0, 480.0), &classes)
    }

    #[test]
    fn edges_become_fractions() {
        let read = row([64.0, 48.0, 192.0, 432.0]).unwrap();
        let b = read.label.bbox;
        assert_eq!([b.cx, b.cy, b.w, b.h], [0.2, 0.5, 0.2, 0.8]);
        assert!(read.notes.is_empty());
        assert_eq!(row([5000.0, 0.0, 5010.0, 10.0]).unwrap_err().code(), "coordinate-out-of-range");
        assert_eq!(row([10.0, 10.0, 10.0, 20.0]).unwrap_err(), WarningKind::EmptyBox);
        assert_eq!(row([60.0, 10.0, 5.0, 20.0]).unwrap_err().code(), "coordinate-out-of-range");
        assert_eq!(row([f64::NAN, 0.0, 1.0, 1.0]).unwrap_err().code(), "not-a-number");
    }
}
