//! Pixels of `confusion_matrix.png`, drawn by [`draw_confusion_matrix`].

use bonsai_plots::{CellValue, PlotError, RgbImage, draw_confusion_matrix};

use crate::pixels::{DEEP, Part, centre, places};

fn names(count: usize) -> Vec<String> {
    (0..count).map(|i| format!("class {i}")).collect()
}

/// Everything left of the colour scale, whose dark end is 120 to 60 px from the right.
fn matrix(picture: &RgbImage) -> Part {
    ((0, picture.width() - 110), (0, picture.height()))
}

fn dark(counts: &[u64], show: CellValue) -> (f64, f64) {
    let picture = draw_confusion_matrix(counts, &names(2), show).unwrap();
    centre(&places(&picture, matrix(&picture), DEEP))
}

#[test]
fn rows_are_predicted_and_columns_are_true() {
    for show in [CellValue::Count, CellValue::ShareOfTrueClass] {
        let first = dark(&[7, 0, 0, 0, 0, 0, 0, 0, 0], show);
        let missed = dark(&[0, 0, 0, 0, 0, 0, 7, 0, 0], show);
        let invented = dark(&[0, 0, 7, 0, 0, 0, 0, 0, 0], show);
        let near = |a: f64, b: f64| (a - b).abs() < 1.5;
        assert!(near(first.0, missed.0) && missed.1 > first.1 + 100.0, "{first:?} {missed:?}");
        assert!(near(first.1, invented.1) && invented.0 > first.0 + 100.0, "{first:?} {invented:?}");
    }
}

#[test]
fn shares_are_of_the_column() {
    // 1 of 1 and 99 of 100 are equally dark as fractions, but not as counts.
    let counts = [1, 0, 0, 0, 100, 0, 0, 0, 0];
    let area = |show| {
        let picture = draw_confusion_matrix(&counts, &names(2), show).unwrap();
        places(&picture, matrix(&picture), DEEP).len()
    };
    let shares = area(CellValue::ShareOfTrueClass);
    let counted = area(CellValue::Count);
    assert!(shares > counted * 3 / 2, "{shares} dark pixels as fractions, {counted} as counts");
}

#[test]
fn a_wrong_number_of_counts_is_an_error() {
    for cells in [0, 4, 8, 10] {
        let error = draw_confusion_matrix(&vec![1; cells], &names(2), CellValue::Count).unwrap_err();
        assert!(matches!(error, PlotError::Matrix { classes: 2, .. }));
        let text = error.to_string();
        assert!(text.contains("9 cells") && text.contains(&format!("but {cells} were given")), "{text}");
    }
}

#[test]
fn any_number_of_classes_and_any_names_are_drawn() {
    for classes in [0, 1, 29, 30, 31, 80, 600] {
        let counts = vec![3; (classes + 1) * (classes + 1)];
        let picture = draw_confusion_matrix(&counts, &names(classes), CellValue::Count).unwrap();
        assert!(picture.width() < 1500 && picture.height() < 1500, "{classes}: {:?}", picture.dimensions());
    }
    let odd = ["猫".to_owned(), "x".repeat(5000), String::new(), "\u{202e}\n\0".to_owned()];
    for show in [CellValue::Count, CellValue::ShareOfTrueClass] {
        let picture = draw_confusion_matrix(&[u64::MAX; 25], &odd, show).unwrap();
        assert!(picture.width() < 1500);
        assert!(picture == draw_confusion_matrix(&[u64::MAX; 25], &odd, show).unwrap());
    }
}

#[test]
fn nothing_counted_is_white() {
    let picture = draw_confusion_matrix(&[0; 9], &names(2), CellValue::ShareOfTrueClass).unwrap();
    assert!(places(&picture, matrix(&picture), DEEP).is_empty());
}
