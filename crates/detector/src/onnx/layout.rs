//! [`OutputLayout`]: the layout of an exported detector's output.
//!
//! Sources: the files that Ultralytics 8.0 to 8.4, `YOLOv5` and `yolo_trt_sim` write.

use bonsai_boxes::{Detection, Xyxy};
use bonsai_checkpoint::Array;
use bonsai_yolov8::Predictions;

use super::dims::Dims;
use crate::{DetectorError, Outputs};

/// More rows than any exporter's suppression returns; with more, six columns are a box, an objectness and one
/// class.
const MOST_DETECTIONS: usize = 1000;
/// Output names of `yolo_trt_sim` and of the exporters before `YOLOv8`.
const ROWS_NAMES: [&str; 2] = ["outputs", "output"];

/// The layout of an output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputLayout {
    /// `[n, 4 + classes, anchors]`: centre, size, scores.
    Planes,
    /// `[n, anchors, 5 + classes]`: centre, size, objectness, and scores of the classes given that there is
    /// an object.
    Rows,
    /// `[n, detections, 6]`: left, top, right, bottom, score, class, after suppression; rows with score 0 are
    /// padding.
    Detections,
}

/// The information about an output before the first run.
pub(super) struct Hints<'a> {
    /// Name of the output.
    pub(super) name: &'a str,
    /// Number of class names, if the file has them.
    pub(super) classes: Option<usize>,
    /// Whether the metadata says that the file contains suppression.
    pub(super) suppressed: bool,
    /// Number of anchors at strides 8, 16 and 32, if the input size is fixed.
    pub(super) anchors: Option<usize>,
}

impl OutputLayout {
    /// The layout and number of classes of an output `[n, a, b]`; `None` if the hints do not determine it.
    pub(super) fn tell(dims: &Dims, hints: &Hints<'_>) -> Result<Option<(Self, usize)>, String> {
        let &[_, a, b] = &dims[..] else {
            return Err(format!("three dimensions, not {}", dims.len()));
        };
        if hints.suppressed && b.is_none_or(|b| b == 6) {
            return detections(hints).map(Some);
        }
        let Some(classes) = hints.classes else { return Self::tell_without_names([a, b], hints) };
        let planes = a == Some(4 + classes);
        let rows = b == Some(5 + classes);
        let few = b == Some(6) && a.is_some_and(|a| a <= MOST_DETECTIONS && Some(a) != hints.anchors);
        Ok(match (planes, rows) {
            (true, true) if hints.called_rows() => Some((Self::Rows, classes)),
            (true, _) => Some((Self::Planes, classes)),
            (false, true) if few && !hints.called_rows() => Some((Self::Detections, classes)),
            (false, true) => Some((Self::Rows, classes)),
            (false, false) if few => Some((Self::Detections, classes)),
            // The known dimension fits none of the three layouts, for any value of the unknown one.
            (false, false) if a.is_some() && b.is_some() => {
                return Err(format!(
                    "[n, {}, anchors], [n, anchors, {}] or [n, detections, 6] for the {classes} classes that the \
                     metadata names",
                    4 + classes,
                    5 + classes
                ));
            }
            (false, false) => None,
        })
    }

    /// As [`tell`](Self::tell), from the dimensions alone: there are more anchors than classes.
    fn tell_without_names(
        [a, b]: [Option<usize>; 2],
        hints: &Hints<'_>,
    ) -> Result<Option<(Self, usize)>, String> {
        let by_rows = match (a, b) {
            (None, None) => return Ok(None),
            (Some(_), None) => false,
            (None, Some(_)) => true,
            (Some(a), Some(b)) => a > b || hints.called_rows(),
        };
        let side = if by_rows { b } else { a }.unwrap_or(0);
        if by_rows && side == 6 && !hints.called_rows() && (hints.anchors.is_none() || a != hints.anchors) {
            return detections(hints).map(Some);
        }
        let (layout, fixed) = if by_rows { (Self::Rows, 5) } else { (Self::Planes, 4) };
        match side.checked_sub(fixed) {
            Some(classes @ 1..) => Ok(Some((layout, classes))),
            _ => Err("[n, 4 + classes, anchors] or [n, anchors, 5 + classes]".to_owned()),
        }
    }

    /// Reads an output tensor of this layout for `images` images.
    pub(super) fn read(
        self,
        name: &str,
        output: Array,
        images: usize,
        classes: usize,
    ) -> Result<Outputs, DetectorError> {
        let wrong = |expected: String| DetectorError::Tensor {
            tensor: name.to_owned(),
            found: format!("{:?}", output.shape()),
            expected,
        };
        let &[n, a, b] = output.shape() else { return Err(wrong("three dimensions".to_owned())) };
        let fits = match self {
            Self::Planes => n == images && a == 4 + classes,
            Self::Rows => n == images && b == 5 + classes,
            Self::Detections => n == images && b == 6,
        };
        if !fits {
            return Err(wrong(match self {
                Self::Planes => format!("[{images}, {}, anchors]", 4 + classes),
                Self::Rows => format!("[{images}, anchors, {}]", 5 + classes),
                Self::Detections => format!("[{images}, detections, 6]"),
            }));
        }
        // Suppression would ignore a NaN silently, and a damaged file would look like a picture without
        // objects.
        if !output.data().iter().all(|v| v.is_finite()) {
            return Err(DetectorError::NotFinite { node: name.to_owned() });
        }
        match self {
            Self::Planes => Ok(Outputs::Predictions(Predictions::new(n, classes, b, output.into_data())?)),
            Self::Rows => {
                Ok(Outputs::Predictions(Predictions::new(n, classes, a, planes(output.data(), a, b))?))
            }
            Self::Detections => {
                // `max(1)` avoids a panic without images or without detections.
                let images = output.data().chunks_exact((a * b).max(1));
                let found = images.map(|rows| objects(name, rows, classes)).collect::<Result<Vec<_>, _>>()?;
                Ok(Outputs::Detections(if a == 0 { vec![Vec::new(); n] } else { found }))
            }
        }
    }
}

impl Hints<'_> {
    fn called_rows(&self) -> bool {
        ROWS_NAMES.contains(&self.name)
    }
}

/// Detections have six columns for any number of classes, so the metadata must name the classes.
fn detections(hints: &Hints<'_>) -> Result<(OutputLayout, usize), String> {
    let classes = hints.classes.ok_or(
        "class names in the metadata (`names`), because detections [n, detections, 6] do not show how many classes \
         there are",
    )?;
    Ok((OutputLayout::Detections, classes))
}

/// Converts `[n, anchors, 5 + classes]` to `[n, 4 + classes, anchors]`; scores are objectness times class
/// score.
fn planes(rows: &[f32], anchors: usize, columns: usize) -> Vec<f32> {
    let mut planes = Vec::with_capacity(rows.len());
    for image in rows.chunks_exact((anchors * columns).max(1)) {
        for column in (0..columns).filter(|column| *column != 4) {
            let row = |row: &[f32]| if column < 4 { row[column] } else { row[4] * row[column] };
            planes.extend(image.chunks_exact(columns).map(row));
        }
    }
    planes
}

/// Converts rows of left, top, right, bottom, score, class; most confident first, on a tie in the given
/// order.
fn objects(name: &str, rows: &[f32], classes: usize) -> Result<Vec<Detection>, DetectorError> {
    let mut found = Vec::new();
    for row in rows.chunks_exact(6) {
        let &[x1, y1, x2, y2, confidence, class] = row else { continue };
        if confidence <= 0.0 {
            continue;
        }
        if class < 0.0 || class.fract() != 0.0 || class >= classes as f32 {
            return Err(DetectorError::Tensor {
                tensor: name.to_owned(),
                found: format!("class {class}"),
                expected: format!("a class of the file, which names {classes} (numbered from 0)"),
            });
        }
        found.push(Detection { bbox: Xyxy { x1, y1, x2, y2 }, confidence, class_id: class as usize });
    }
    found.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tell(
        name: &str,
        dims: [Option<usize>; 3],
        classes: Option<usize>,
        suppressed: bool,
    ) -> Result<Option<(OutputLayout, usize)>, String> {
        OutputLayout::tell(&dims.to_vec(), &Hints { name, classes, suppressed, anchors: Some(2100) })
    }

    #[test]
    fn layouts_are_told_by_shape_name_and_metadata() {
        use OutputLayout::{Detections, Planes, Rows};
        let one = Some(1);
        for (name, dims, classes, suppressed, expected) in [
            ("output0", [one, Some(7), Some(2100)], Some(3), false, Some((Planes, 3))),
            ("output0", [None, Some(7), None], Some(3), false, Some((Planes, 3))),
            ("output0", [one, Some(7), Some(2100)], None, false, Some((Planes, 3))),
            ("outputs", [one, Some(2100), Some(8)], Some(3), false, Some((Rows, 3))),
            ("outputs", [one, Some(2100), Some(8)], None, false, Some((Rows, 3))),
            ("outputs", [None, None, Some(8)], None, false, Some((Rows, 3))),
            // One class: a row has as many columns as a detection.
            ("outputs", [one, Some(2100), Some(6)], Some(1), false, Some((Rows, 1))),
            ("output0", [one, Some(2100), Some(6)], Some(1), false, Some((Rows, 1))),
            ("output0", [one, Some(300), Some(6)], Some(1), false, Some((Detections, 1))),
            ("output0", [one, Some(300), Some(6)], Some(3), false, Some((Detections, 3))),
            ("output0", [None, None, None], Some(3), true, Some((Detections, 3))),
            // Two classes: six planes or detections.
            ("output0", [one, Some(6), Some(2100)], Some(2), false, Some((Planes, 2))),
            ("output0", [one, Some(300), Some(6)], Some(2), true, Some((Detections, 2))),
            ("output0", [one, None, None], Some(2), false, None),
            ("output0", [one, None, None], None, false, None),
        ] {
            assert_eq!(tell(name, dims, classes, suppressed), Ok(expected), "{name} {dims:?} {classes:?}");
        }
        for (dims, classes, part) in [
            ([one, Some(84), Some(2100)], Some(3), "[n, 7, anchors], [n, anchors, 8]"),
            ([one, Some(4), Some(2100)], None, "4 + classes"),
            ([one, Some(300), Some(6)], None, "`names`"),
        ] {
            let message = tell("output0", dims, classes, false).unwrap_err();
            assert!(message.contains(part), "{message}");
        }
        assert!(
            OutputLayout::tell(
                &vec![one, one],
                &Hints { name: "", classes: None, suppressed: false, anchors: None }
            )
            .is_err()
        );
    }

    #[test]
    fn rows_are_planes_with_the_objectness_multiplied_in() {
        // Two images of three anchors with two classes.
        let row = |k: f32| [k, k + 1.0, k + 2.0, k + 3.0, 0.5, 0.2 + k / 100.0, 0.4];
        let data: Vec<f32> = [1.0f32, 2.0, 3.0, 11.0, 12.0, 13.0].into_iter().flat_map(row).collect();
        let output = Array::new(&[2, 3, 7], data);
        let Outputs::Predictions(read) = OutputLayout::Rows.read("outputs", output, 2, 2).unwrap() else {
            panic!()
        };
        assert_eq!((read.batch(), read.num_classes(), read.anchors()), (2, 2, 3));
        let second = read.images().nth(1).unwrap();
        let bbox = second.bbox(2);
        assert_eq!((bbox.cx, bbox.cy, bbox.w, bbox.h), (13.0, 14.0, 15.0, 16.0));
        let planes: Vec<Vec<f32>> = second.class_planes().map(<[f32]>::to_vec).collect();
        assert_eq!(planes[0], [11.0f32, 12.0, 13.0].map(|k| 0.5 * (0.2 + k / 100.0)));
        assert_eq!(planes[1], [0.2; 3]);
    }

    #[test]
    fn detections_are_sorted_checked_and_without_filling() {
        let rows = [[1.0, 2.0, 3.0, 4.0, 0.5, 1.0], [5.0, 6.0, 7.0, 8.0, 0.9, 0.0], [0.0; 6]];
        let output = |rows: &[[f32; 6]]| Array::new(&[1, rows.len(), 6], rows.concat());
        let read = OutputLayout::Detections.read("output0", output(&rows), 1, 2).unwrap();
        let Outputs::Detections(images) = read else { panic!() };
        let found: Vec<(usize, f32, f32)> =
            images[0].iter().map(|d| (d.class_id, d.confidence, d.bbox.x2)).collect();
        assert_eq!(found, [(0, 0.9, 7.0), (1, 0.5, 3.0)]);
        for (class, text) in [(2.0, "class 2"), (0.5, "class 0.5"), (-1.0, "class -1")] {
            let bad = output(&[[0.0, 0.0, 1.0, 1.0, 0.5, class]]);
            let error = OutputLayout::Detections.read("output0", bad, 1, 2).unwrap_err().to_string();
            assert!(error.contains(text) && error.contains("names 2"), "{error}");
        }
        let none = OutputLayout::Detections.read("output0", Array::zeros(&[2, 0, 6]), 2, 2).unwrap();
        assert_eq!(none, Outputs::Detections(vec![Vec::new(); 2]));
    }

    #[test]
    fn what_a_file_gives_must_be_what_it_promised() {
        let planes = OutputLayout::Planes;
        let error = planes.read("output0", Array::zeros(&[1, 7, 10]), 2, 3).unwrap_err().to_string();
        assert!(
            error.contains("`output0`") && error.contains("[1, 7, 10]") && error.contains("[2, 7, anchors]"),
            "{error}"
        );
        let broken = Array::new(&[1, 5, 1], vec![0.0, 0.0, 0.0, 0.0, f32::NAN]);
        assert!(matches!(planes.read("output0", broken, 1, 1), Err(DetectorError::NotFinite { .. })));
    }
}
