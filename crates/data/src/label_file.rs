//! [`labels_of`]: reads one label file, text or VOC, into labels and flaws.

use std::io::ErrorKind;
use std::path::Path;

use crate::label_places::{LabelPlaces, is_voc};
use crate::label_row::RowRules;
use crate::label_rows::{LabelFile, LabelRows};
use crate::text::{decode_text, read_bytes};
use crate::{Warning, WarningKind, voc};

/// The labels of an image of `size` pixels; none if it has no label file.
///
/// # Errors
/// The flaw of a file that cannot be read: the objects of the image are then unknown, so it must not become a
/// background.
pub(crate) fn labels_of(
    image: &Path,
    size: (u32, u32),
    places: &LabelPlaces,
    rules: &RowRules,
) -> Result<LabelFile, Warning> {
    let path = places.label_path(image);
    let unreadable =
        |reason| Warning { path: path.clone(), line: None, kind: WarningKind::UnreadableLabels { reason } };
    let bytes = match read_bytes(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(LabelFile::default()),
        Err(error) => return Err(unreadable(error.to_string())),
    };
    let text = decode_text(&bytes).map_err(|reason| unreadable(reason.to_string()))?;
    let mut file = if is_voc(&path) {
        voc::labels(&text, &path, size, &rules.classes).map_err(unreadable)?
    } else {
        parse(&text, &path, rules)
    };
    if let Some(expected) = places.instead_of(image) {
        let kind = WarningKind::LabelsBesideImage { expected };
        file.flaws.push(Warning { path, line: None, kind });
    }
    Ok(file)
}

/// Reads the rows of `text`; warnings name the file `path`.
pub(crate) fn parse(text: &str, path: &Path, rules: &RowRules) -> LabelFile {
    let mut rows = LabelRows::default();
    for (index, row) in text.lines().enumerate() {
        let line = index + 1;
        if let Some(read) = rules.read(row) {
            rows.add(read, line, |kind| Warning { path: path.to_owned(), line: Some(line), kind });
        }
    }
    rows.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::class_word::ClassWords;
    use crate::{Keypoints, Label};
    use bonsai_boxes::Cxcywh;

    fn run(text: &str, keypoints: Option<Keypoints>) -> LabelFile {
        let names = ["cat", "dog", "bird"].map(str::to_owned);
        parse(text, Path::new("a.txt"), &RowRules { classes: ClassWords::new(&names), keypoints })
    }

    /// Reads one row; returns the codes of its warnings, and its labels.
    fn one(row: &str, keypoints: Option<Keypoints>) -> (Vec<&'static str>, Vec<(usize, [f32; 4])>) {
        let file = run(row, keypoints);
        assert_eq!(file.rows, 1, "{row}");
        let labels = file.labels.iter().map(|l| (l.class_id, [l.bbox.cx, l.bbox.cy, l.bbox.w, l.bbox.h]));
        (file.flaws.iter().map(|warning| warning.kind.code()).collect(), labels.collect())
    }

    #[test]
    fn each_flaw_names_its_line_and_costs_its_row() {
        let file = run(
            "0 .5 .5 .2 .2\n\
             1 .5 .5 .2\n\
             1 .5 .5 .2 .2 .9 .9 .9\n\
             \n\
             1 .5 nan .2 .2\n\
             3 .5 .5 .2 .2\n\
             -1 .5 .5 .2 .2\n\
             0.5 .5 .5 .2 .2\n\
             1 .5 1.5 .2 .2\n\
             1 .5 .5 0 .2\n\
             0.0 0.5 0.5 0.2 0.2\n\
             2 .5 .5 .2 .2\n",
            None,
        );
        assert_eq!(file.labels.iter().map(|l| l.class_id).collect::<Vec<_>>(), [0, 2]);
        assert_eq!(file.rows, 11);
        let expected = [
            (2, WarningKind::NumberCount { found: 4, keypoints: None }),
            (3, WarningKind::NumberCount { found: 8, keypoints: None }),
            (5, WarningKind::NotANumber { word: "nan".to_owned() }),
            (6, WarningKind::ClassBehindLast { num_classes: 3 }),
            (7, WarningKind::ClassOutOfRange { class: -1.0, num_classes: 3 }),
            (8, WarningKind::ClassOutOfRange { class: 0.5, num_classes: 3 }),
            (9, WarningKind::CoordinateOutOfRange { value: 1.5 }),
            (10, WarningKind::EmptyBox),
            (11, WarningKind::Duplicate { first_line: 1 }),
        ];
        assert_eq!(file.flaws.len(), expected.len());
        for (warning, (line, kind)) in file.flaws.iter().zip(expected) {
            assert_eq!((warning.line, &warning.kind), (Some(line), &kind));
        }
        assert_eq!(
            file.flaws.iter().nth(3).unwrap().to_string(),
            "a.txt:6: class 3, but `names` has 3 classes (whole numbers below 3); row left out"
        );
    }

    #[test]
    fn polygons_become_their_bounds() {
        let file = run("1 .25 .5 .75 .25 .5 1.0", None);
        assert!(file.flaws.is_empty());
        assert_eq!(
            file.labels,
            [Label { class_id: 1, bbox: Cxcywh { cx: 0.5, cy: 0.625, w: 0.5, h: 0.75 } }]
        );
    }

    #[test]
    fn separators_words_and_further_columns_are_read_and_noted() {
        let read = vec![(1, [0.5, 0.25, 0.5, 0.125])];
        for (row, notes) in [
            ("1\t.5  .25\t.5 .125 ", vec![]),
            ("1,.5,.25,.5,.125", vec!["separators"]),
            ("1, 0.5, 0.25, 0.5, 0.125,", vec!["separators"]),
            ("1;0.5;0.25;0.5;0.125", vec!["separators"]),
            ("1 0.5,0.25 0.5,0.125", vec!["separators"]),
            ("dog .5 .25 .5 .125", vec!["class-word"]),
            ("DOG,.5,.25,.5,.125", vec!["separators", "class-word"]),
            ("1 .5 .25 .5 .125 0.91", vec!["sixth-column"]),
            ("1 .5 .25 .5 .125 17", vec!["sixth-column"]),
        ] {
            assert_eq!(one(row, None), (notes, read.clone()), "{row}");
        }
        for (row, code) in [
            ("0,5 0,5 0,5 0,2 0,2", "decimal-comma"),
            ("0 0,5 0,5 0,2 0,2", "decimal-comma"),
            ("0;0,5;0,5;0,2;0,2", "decimal-comma"),
            ("0,0,5,0,5,0,2,0,2", "decimal-comma"),
            ("0,,.5,.5,.2,.2", "not-a-number"),
            ("1 .5 .5 .2 .2 high", "not-a-number"),
            ("wolf .5 .5 .2 .2", "unknown-class"),
            ("1 188 138 116 99", "pixel-coordinate"),
            ("1 .5 .5 .2 1.02", "coordinate-out-of-range"),
            ("1 -.02 .5 .2 .2", "coordinate-out-of-range"),
        ] {
            assert_eq!(one(row, None), (vec![code], vec![]), "{row}");
        }
    }

    #[test]
    fn up_to_one_per_cent_outside_is_clipped() {
        assert_eq!(one("0 .5 .5 1.0000001 1.009", None), (vec!["clipped"], vec![(0, [0.5, 0.5, 1.0, 1.0])]));
        let polygon = one("0 -.005 0 1.01 0 1.01 .5 -.005 .5", None);
        assert_eq!(polygon, (vec!["clipped"], vec![(0, [0.5, 0.25, 1.0, 0.5])]));
    }

    #[test]
    fn rows_with_keypoints_are_boxes_and_never_polygons() {
        let of = |count, dims| Some(Keypoints { count, dims });
        let read = vec![(0, [0.5, 0.5, 0.25, 0.25])];
        let none = vec![];
        for (row, keypoints) in [
            ("0 .5 .5 .25 .25 .5 .5 2 .4 .4 0", of(2, 3)),
            ("0 .5 .5 .25 .25 .5 .5 1 .4 .4 0 .9 .9 1", of(3, 3)),
            ("0 .5 .5 .25 .25 .5 .5 .4 .4", of(2, 2)),
            ("0 .5 .5 .25 .25", of(2, 3)),
        ] {
            assert_eq!(one(row, keypoints), (vec![], read.clone()), "{row}");
        }
        for (row, keypoints, code) in [
            ("0 .1 .1 .3 .1 .3 .3 .1 .3", of(2, 3), "number-count"),
            ("0 .5 .5 .25 .25 .5 .5 2 .4 .4 2", None, "pose-row"),
            ("0 .5 .5 .25 .25 .5 .5 2", None, "pose-row"),
            ("0 .5 .5 .25 .25 .5 .5 1 .4 .4 0 .9 .9 1", None, "pose-row"),
        ] {
            assert_eq!(one(row, keypoints), (vec![code], none.clone()), "{row}");
        }
        // Both readings are possible; the other rows of the dataset decide.
        assert_eq!(one("0 .5 .5 .25 .25 .5 .5 1 .4 .4 0", None).0, ["maybe-pose"]);
        // The whole image as a closed polygon, and one that touches edges.
        assert_eq!(one("0 0 0 0 1 1 1 1 0 0 0", None), (vec![], vec![(0, [0.5, 0.5, 1.0, 1.0])]));
        assert_eq!(one("0 .9 .2 .8 .1 1 .2 1 .3 .95 0", None).0, [""; 0]);
    }

    #[test]
    fn a_million_bad_rows_are_a_count() {
        let text = "9 .5 .5 .2 .2\n".repeat(1_000_000);
        let file = run(&text, None);
        assert_eq!((file.rows, file.flaws.len(), file.flaws.iter().count()), (1_000_000, 1_000_000, 3));
    }
}
