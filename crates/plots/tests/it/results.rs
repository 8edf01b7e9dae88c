//! Pixels of `results.png`, drawn by [`draw_results`].

use bonsai_plots::{EpochFigures, Losses, RgbImage, draw_results};

use crate::pixels::{Part, RAW, STRONG, centre, places};

/// The first panel, without the legend at the top.
const FIRST: Part = ((0, 400), (90, 470));
const FIFTH: Part = ((1600, 2000), (90, 470));

fn epoch(epoch: usize, value: f64) -> EpochFigures {
    let losses = Losses { bbox: value, cls: value, dfl: value };
    EpochFigures {
        epoch,
        train: losses,
        val: losses,
        precision: value,
        recall: value,
        map50: value,
        map50_95: value,
    }
}

fn draw(values: &[f64]) -> RgbImage {
    let history: Vec<EpochFigures> = values.iter().enumerate().map(|(i, &v)| epoch(i + 1, v)).collect();
    draw_results(&history).unwrap()
}

#[test]
fn one_epoch_is_a_dot_in_every_panel() {
    let picture = draw(&[0.5]);
    for part in [FIRST, FIFTH, ((0, 400), (530, 920)), ((1600, 2000), (530, 920))] {
        let dot = places(&picture, part, RAW);
        let (x, y) = centre(&dot);
        assert!(dot.len() > 9 && dot.len() < 64, "{} pixels", dot.len());
        assert!(dot.iter().all(|p| (f64::from(p.0) - x).abs() < 5.0 && (f64::from(p.1) - y).abs() < 5.0));
        assert!(places(&picture, part, STRONG).is_empty(), "a single point must have no line");
    }
}

#[test]
fn values_are_where_the_axis_says() {
    // One dot per value, far apart: missing values between them leave no lines.
    let gap = f64::NAN;
    let picture = draw(&[3.0, gap, 2.0, gap, 1.0]);
    let dots = places(&picture, FIRST, RAW);
    let of = |from: u32, to: u32| {
        centre(&dots.iter().copied().filter(|p| (from..to).contains(&p.0)).collect::<Vec<_>>())
    };
    let first = of(0, 150);
    let second = of(150, 300);
    let third = of(300, 400);
    assert!((second.0 - first.0 - (third.0 - second.0)).abs() < 1.5, "{first:?} {second:?} {third:?}");
    assert!((second.1 - first.1 - (third.1 - second.1)).abs() < 1.5, "{first:?} {second:?} {third:?}");
    // The largest value is 1/22 of the axis below its top, and the smallest as far above its bottom.
    assert!(first.1 < third.1 && third.1 - first.1 > 0.85 * 330.0, "{first:?} {third:?}");
}

#[test]
fn a_missing_value_is_a_gap_and_not_zero() {
    let mut values = vec![1.0; 21];
    values[10] = f64::NAN;
    let whole = draw(&[1.0; 21]);
    let broken = draw(&values);
    let columns = |picture: &RgbImage| {
        (70..380).filter(|&x| !places(picture, ((x, x + 1), FIRST.1), STRONG).is_empty()).count()
    };
    let missing = columns(&whole) - columns(&broken);
    assert!(
        (20..34).contains(&missing),
        "expected two of twenty steps of 14.9 px minus the round ends, got {missing}"
    );
    for value in [f64::INFINITY, f64::NEG_INFINITY, 1e300] {
        values[10] = value;
        assert!(draw(&values) == broken, "{value} must count as missing");
    }
}

#[test]
fn order_of_rows_does_not_matter_and_equal_input_gives_equal_bytes() {
    let history: Vec<EpochFigures> = (1..40).map(|i| epoch(i, 1.0 / i as f64)).collect();
    let reversed: Vec<EpochFigures> = history.iter().rev().copied().collect();
    let picture = draw_results(&history).unwrap();
    assert!(picture == draw_results(&history).unwrap());
    assert!(picture == draw_results(&reversed).unwrap());
    assert_eq!(picture.dimensions(), (2000, 940));
}

#[test]
fn nothing_known_is_drawn_as_nothing() {
    for picture in [draw_results(&[]).unwrap(), draw(&[f64::NAN; 3])] {
        assert!(places(&picture, FIRST, RAW).is_empty() && places(&picture, FIRST, STRONG).is_empty());
    }
}

#[test]
fn extreme_histories_are_drawn() {
    let odd = [epoch(0, 0.0), epoch(usize::MAX, 1e29), epoch(3, -1e29), epoch(3, 1e-300)];
    draw_results(&odd).unwrap();
    draw(&vec![0.1; 3000]);
}
