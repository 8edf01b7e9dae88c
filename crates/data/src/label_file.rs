//! One label file: rows `class cx cy w h` or `class x y x y x y ...`, in fractions of the image.
//!
//! Invariant: a bad row costs that row only, and every bad row is reported with its line.

use std::path::Path;
use std::str::FromStr;

use bonsai_boxes::{Cxcywh, Xyxy};

use crate::{Label, Warning, WarningKind};

/// Reads the rows of `text`; what is wrong goes to `warnings` under the name `path`.
pub(crate) fn parse(text: &str, path: &Path, num_classes: usize, warnings: &mut Vec<Warning>) -> Vec<Label> {
    let mut labels: Vec<Label> = Vec::new();
    let mut lines: Vec<usize> = Vec::new();
    for (index, row) in text.lines().enumerate() {
        let line = index + 1;
        let words: Vec<&str> = row.split_whitespace().collect();
        if words.is_empty() {
            continue;
        }
        let outcome = parse_row(&words, num_classes).and_then(|label| {
            match labels.iter().position(|earlier| *earlier == label) {
                Some(first) => Err(WarningKind::Duplicate { first_line: lines[first] }),
                None => Ok(label),
            }
        });
        match outcome {
            Ok(label) => {
                labels.push(label);
                lines.push(line);
            }
            Err(kind) => warnings.push(Warning { path: path.to_owned(), line: Some(line), kind }),
        }
    }
    labels
}

fn parse_row(words: &[&str], num_classes: usize) -> Result<Label, WarningKind> {
    let found = words.len();
    if found != 5 && (found < 7 || found.is_multiple_of(2)) {
        return Err(WarningKind::NumberCount { found });
    }
    let class = number::<f64>(words[0], f64::is_finite)?;
    if class.fract() != 0.0 || class < 0.0 || class >= num_classes as f64 {
        return Err(WarningKind::ClassOutOfRange { class, num_classes });
    }
    let mut coordinates = Vec::with_capacity(found - 1);
    for word in &words[1..] {
        let value = number::<f32>(word, f32::is_finite)?;
        if !(0.0..=1.0).contains(&value) {
            return Err(WarningKind::CoordinateOutOfRange { value });
        }
        coordinates.push(value);
    }
    let bbox = match coordinates[..] {
        [cx, cy, w, h] => Cxcywh { cx, cy, w, h },
        _ => around_polygon(&coordinates),
    };
    if bbox.w <= 0.0 || bbox.h <= 0.0 {
        return Err(WarningKind::EmptyBox);
    }
    Ok(Label { class_id: class as usize, bbox })
}

fn number<T: FromStr + Copy>(word: &str, is_finite: fn(T) -> bool) -> Result<T, WarningKind> {
    word.parse::<T>()
        .ok()
        .filter(|value| is_finite(*value))
        .ok_or_else(|| WarningKind::NotANumber { word: word.to_owned() })
}

/// The smallest box around the points `x y x y ...`.
fn around_polygon(points: &[f32]) -> Cxcywh {
    let start = Xyxy { x1: f32::INFINITY, y1: f32::INFINITY, x2: f32::NEG_INFINITY, y2: f32::NEG_INFINITY };
    let bounds = points.chunks_exact(2).fold(start, |b, p| Xyxy {
        x1: b.x1.min(p[0]),
        y1: b.y1.min(p[1]),
        x2: b.x2.max(p[0]),
        y2: b.y2.max(p[1]),
    });
    Cxcywh::from(bounds)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(text: &str) -> (Vec<Label>, Vec<Warning>) {
        let mut warnings = Vec::new();
        let labels = parse(text, Path::new("a.txt"), 3, &mut warnings);
        (labels, warnings)
    }

    #[test]
    fn each_flaw_names_its_line_and_costs_its_row() {
        let (labels, warnings) = run("0 .5 .5 .2 .2\n\
             1 .5 .5 .2\n\
             1 .5 .5 .2 .2 .9\n\
             \n\
             1 .5 nan .2 .2\n\
             3 .5 .5 .2 .2\n\
             -1 .5 .5 .2 .2\n\
             0.5 .5 .5 .2 .2\n\
             1 .5 1.5 .2 .2\n\
             1 .5 .5 0 .2\n\
             0.0 0.5 0.5 0.2 0.2\n\
             2 .5 .5 .2 .2\n");
        assert_eq!(labels.iter().map(|l| l.class_id).collect::<Vec<_>>(), [0, 2]);
        let expected = [
            (2, WarningKind::NumberCount { found: 4 }),
            (3, WarningKind::NumberCount { found: 6 }),
            (5, WarningKind::NotANumber { word: "nan".to_owned() }),
            (6, WarningKind::ClassOutOfRange { class: 3.0, num_classes: 3 }),
            (7, WarningKind::ClassOutOfRange { class: -1.0, num_classes: 3 }),
            (8, WarningKind::ClassOutOfRange { class: 0.5, num_classes: 3 }),
            (9, WarningKind::CoordinateOutOfRange { value: 1.5 }),
            (10, WarningKind::EmptyBox),
            (11, WarningKind::Duplicate { first_line: 1 }),
        ];
        assert_eq!(warnings.len(), expected.len());
        for (warning, (line, kind)) in warnings.iter().zip(expected) {
            assert_eq!((warning.line, &warning.kind), (Some(line), &kind));
        }
        assert_eq!(
            warnings[3].to_string(),
            "a.txt:6: class 3, but `names` has 3 classes (whole numbers below 3); row left out"
        );
    }

    #[test]
    fn polygons_become_their_bounds() {
        let (labels, warnings) = run("1 .25 .5 .75 .25 .5 1.0");
        assert!(warnings.is_empty());
        assert_eq!(labels, [Label { class_id: 1, bbox: Cxcywh { cx: 0.5, cy: 0.625, w: 0.5, h: 0.75 } }]);
    }
}
