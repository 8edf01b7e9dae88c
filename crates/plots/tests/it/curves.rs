//! Pixels of `PR_curve`, `F1_curve`, `P_curve` and `R_curve`, drawn by [`draw_curves`].

use bonsai_plots::{ClassCurve, CurveKind, CurvePlot, RgbImage, class_colour, draw_curves};

use crate::pixels::{MARK, Part, STRONG, centre, places};

/// The columns left of the legend.
const CHART: Part = ((90, 1052), (0, 900));
const LEGEND: Part = ((1070, 1400), (0, 900));

fn draw(classes: &[ClassCurve], mean: &[f64], best: Option<(f64, f64)>) -> RgbImage {
    let plot = CurvePlot { kind: CurveKind::F1, classes, mean, mean_figure: None, best };
    draw_curves(&plot, &["cat".to_owned(), "猫".to_owned()]).unwrap()
}

#[test]
fn the_mean_is_where_its_values_are() {
    let height = |value: f64| centre(&places(&draw(&[], &[value; 1000], None), CHART, STRONG)).1;
    let low = height(0.0);
    let middle = height(0.5);
    let high = height(1.0);
    assert!(low > middle && (low + high - 2.0 * middle).abs() < 1.0, "{low} {middle} {high}");
    assert!((height(2.0) - high).abs() < 1e-9, "a value above the axis must be drawn at the edge");
}

#[test]
fn a_class_has_its_colour_in_the_chart_and_in_the_legend() {
    let values: Vec<f64> = (0..1000).map(|i| f64::from(i) / 999.0).collect();
    let picture = draw(&[ClassCurve { class_id: 1, values: &values, figure: Some(0.5) }], &[], None);
    let colour = class_colour(1).0;
    let left = (CHART.0.0, 300);
    let right = (800, CHART.0.1);
    let rising = |columns| centre(&places(&picture, (columns, CHART.1), colour)).1;
    assert!(rising(left) > rising(right) + 300.0);
    assert!(!places(&picture, LEGEND, colour).is_empty());
}

#[test]
fn the_best_point_is_marked_on_the_mean() {
    let mean: Vec<f64> = (0..1000).map(|i| 1.0 - f64::from(i) / 999.0).collect();
    let mark = |at: f64| centre(&places(&draw(&[], &mean, Some((at, 0.5))), CHART, MARK));
    let first = mark(0.0);
    let middle = mark(0.5);
    let last = mark(1.0);
    assert!((first.0 + last.0 - 2.0 * middle.0).abs() < 2.0, "{first:?} {middle:?} {last:?}");
    assert!((first.1 + last.1 - 2.0 * middle.1).abs() < 4.0 && first.1 < last.1, "{first:?} {last:?}");
    for nowhere in [(f64::NAN, 0.5), (0.5, f64::NAN)] {
        assert!(places(&draw(&[], &mean, Some(nowhere)), CHART, MARK).is_empty());
    }
}

#[test]
fn more_than_twenty_classes_are_not_told_apart() {
    let values = [0.2, 0.8];
    let classes: Vec<ClassCurve> =
        (0..21).map(|class_id| ClassCurve { class_id, values: &values, figure: None }).collect();
    let few = draw(&classes[..20], &[], None);
    let many = draw(&classes, &[], None);
    let coloured = |picture| !places(picture, LEGEND, class_colour(2).0).is_empty();
    assert!(coloured(&few) && !coloured(&many));
    assert!(draw(&classes, &[], None) == many);
}

#[test]
fn odd_curves_are_drawn() {
    let broken = [0.1, f64::NAN, 0.3, f64::INFINITY, -5.0];
    let curves = [&broken[..], &[], &[0.5], &[f64::NAN]];
    let classes: Vec<ClassCurve> =
        curves.map(|values| ClassCurve { class_id: usize::MAX, values, figure: Some(f64::NAN) }).to_vec();
    for kind in [CurveKind::Precision, CurveKind::Recall, CurveKind::F1, CurveKind::PrecisionRecall] {
        let plot =
            CurvePlot { kind, classes: &classes, mean: &[0.5], mean_figure: None, best: Some((7.0, 1e9)) };
        draw_curves(&plot, &[]).unwrap();
    }
}
