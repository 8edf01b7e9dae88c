//! [`misreading`]: detects labels that are, taken together, written in a wrong format.
//!
//! One odd row costs only itself. If most rows are odd in the same way, or no label is usable, a network
//! trained or evaluated on the rest would be wrong. This is therefore an error, which states the most likely
//! reason.

use crate::{Cost, Sample, Scan, Warning, WarningKind};

/// The problem if the labels of a split are unusable as a whole: the reason, the first place and the remedy.
pub(crate) fn misreading(scan: &Scan, samples: &[Sample]) -> Option<String> {
    let flaws = &scan.warnings;
    let first = |kind: &WarningKind| flaws.iter().find(|warning| warning.kind.code() == kind.code());
    let pixels = WarningKind::PixelCoordinate { value: 0.0 };
    if is_most(flaws.count(&pixels), scan.rows) {
        let what = "look like pixels or per cent, but must be fractions of the image";
        let remedy = "divide x and width by the width of the image, y and height by its height";
        return Some(most(flaws.count(&pixels), scan.rows, what, first(&pixels)?, remedy));
    }
    let commas = WarningKind::DecimalComma { word: String::new() };
    if is_most(flaws.count(&commas), scan.rows) {
        let what = "have commas inside their numbers (decimal commas)";
        let remedy = "write points in numbers, and blanks between them";
        return Some(most(flaws.count(&commas), scan.rows, what, first(&commas)?, remedy));
    }
    let sure = WarningKind::PoseRow { keypoints: 0 };
    let maybe = WarningKind::MaybePose { keypoints: 0 };
    let poses = flaws.count(&sure) + flaws.count(&maybe);
    if is_most(poses, scan.rows) {
        let place = first(&sure).or_else(|| first(&maybe))?;
        let (WarningKind::PoseRow { keypoints } | WarningKind::MaybePose { keypoints }) = place.kind else {
            return None;
        };
        let what = "look like a box with keypoints after it, but the dataset file has no `kpt_shape`";
        let remedy = format!("add `kpt_shape: [{keypoints}, 3]` to the dataset file to have the boxes read");
        return Some(most(poses, scan.rows, what, place, &remedy));
    }
    one_based(scan, samples).or_else(|| nothing_usable(scan))
}

/// The problem of classes that are numbered 1 to n instead of 0 to n - 1.
fn one_based(scan: &Scan, samples: &[Sample]) -> Option<String> {
    let flaws = &scan.warnings;
    let last = flaws.iter().find(|warning| matches!(warning.kind, WarningKind::ClassBehindLast { .. }))?;
    let WarningKind::ClassBehindLast { num_classes } = last.kind else { return None };
    let beyond = WarningKind::ClassOutOfRange { class: 0.0, num_classes };
    let has_zero = samples.iter().flat_map(|sample| &sample.labels).any(|label| label.class_id == 0);
    (flaws.count(&beyond) == 0 && !has_zero).then(|| {
        format!(
            "the classes seem to be numbered from 1: {} rows have class {num_classes}, none has class 0, and `names` \
             has {num_classes} classes, 0 to {}; first {}; subtract 1 from every class, or correct `names`",
            flaws.count(&last.kind),
            num_classes - 1,
            last.place()
        )
    })
}

/// The problem of a split that has labels, none of which is usable.
fn nothing_usable(scan: &Scan) -> Option<String> {
    let flaws = &scan.warnings;
    let costly = flaws
        .kinds()
        .into_iter()
        .filter(|(warning, _)| matches!(warning.kind.cost(), Cost::LabelFile | Cost::Row));
    let (first, count) = costly.max_by_key(|(_, count)| *count)?;
    (scan.instances == 0).then(|| {
        format!(
            "no usable label in {} rows; most often {} ({count}), first {first}",
            scan.rows,
            first.kind.many()
        )
    })
}

const fn is_most(count: usize, rows: usize) -> bool {
    count > rows / 2
}

fn most(count: usize, rows: usize, what: &str, first: &Warning, remedy: &str) -> String {
    format!("{count} of {rows} labels {what}; first {}; {remedy}", first.place())
}
