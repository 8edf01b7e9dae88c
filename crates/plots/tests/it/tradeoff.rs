//! Accuracy over cost: positions of the drawn marks.

use bonsai_plots::{TradeoffPoint, draw_tradeoff};
use image::{Rgb, RgbImage};

const STRONG: Rgb<u8> = Rgb([0, 90, 160]);
const RAW: Rgb<u8> = Rgb([86, 180, 233]);
const MUTED: Rgb<u8> = Rgb([92, 102, 112]);

fn point(cost: f64, map: f64, best: bool, is_baseline: bool) -> TradeoffPoint {
    TradeoffPoint { name: "n".to_owned(), costs: [cost, cost], map, best: [best; 2], is_baseline }
}

fn draw(points: &[TradeoffPoint]) -> RgbImage {
    draw_tradeoff(points, ["a", "b"], 0.01).unwrap()
}

/// Mean column of a colour below the legend, in the left panel.
fn column(picture: &RgbImage, colour: Rgb<u8>) -> Option<f64> {
    let columns: Vec<f64> = picture
        .enumerate_pixels()
        .filter(|(x, y, pixel)| (80..596).contains(x) && (60..500).contains(y) && **pixel == colour)
        .map(|(x, _, _)| f64::from(x))
        .collect();
    (!columns.is_empty()).then(|| columns.iter().sum::<f64>() / columns.len() as f64)
}

#[test]
fn the_cheaper_is_further_left_and_the_best_are_filled() {
    let all = [point(10.0, 0.5, false, true), point(2.0, 0.49, true, false), point(6.0, 0.4, false, false)];
    let picture = draw(&all);
    assert_eq!(picture.dimensions(), (1240, 580));
    let [best, other, baseline] = [STRONG, RAW, MUTED].map(|colour| column(&picture, colour).unwrap());
    assert!(best < other && other < baseline, "{best} {other} {baseline}");
    // The axis starts at cost 0: 2 of 10.8 parts of the width.
    assert!((best - (76.0 + 520.0 * 2.0 / 10.8)).abs() < 3.0, "{best}");
    assert_eq!(picture, draw(&all), "equal input must give equal pixels");
}

#[test]
fn nothing_and_nonsense_are_no_errors() {
    assert_eq!(draw(&[]).dimensions(), (1240, 580));
    draw(&[point(f64::NAN, 0.5, true, false), point(0.0, f64::INFINITY, true, true)]);
    draw(&[point(0.0, 0.0, true, false)]);
}
