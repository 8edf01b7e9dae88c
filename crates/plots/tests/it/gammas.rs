//! Pixels of `gammas.png` and `pruning.png`, drawn by [`draw_gammas`] and [`draw_pruning`].

use bonsai_plots::{GammaEpoch, PruningStep, draw_gammas, draw_pruning};

use crate::pixels::{MARK, RAW, STRONG, centre, places};

fn epoch(epoch: usize, bin: usize) -> GammaEpoch {
    let mut counts = vec![0; 60];
    counts[bin] = 100;
    let middle = (bin as f64 + 0.5) * 0.05;
    GammaEpoch {
        epoch,
        counts,
        above: 0,
        percentiles: [middle; 5],
        below_1e2: 0.5,
        below_1e3: 0.25,
        safe_ratio: None,
    }
}

/// The darkest shade, for a bin with all gammas of an epoch.
const ALL: [u8; 3] = [8, 48, 107];
const UPPER: ((u32, u32), (u32, u32)) = ((90, 990), (60, 600));
const LOWER: ((u32, u32), (u32, u32)) = ((90, 990), (680, 920));

#[test]
fn a_distribution_that_moves_to_zero_falls() {
    let history: Vec<_> = (0..20).map(|i| epoch(i + 1, 19 - i)).collect();
    let picture = draw_gammas(&history, 0.05).unwrap();
    let dark = places(&picture, UPPER, ALL);
    let column = |from: u32, to: u32| {
        centre(&dark.iter().copied().filter(|p| (from..to).contains(&p.0)).collect::<Vec<_>>())
    };
    let first = column(90, 200);
    let last = column(880, 990);
    // 18 of 20 bins are between them, and the axis ends with the highest bin.
    assert!(last.1 - first.1 > 0.8 * 540.0, "{first:?} {last:?}");
}

#[test]
fn shares_stand_at_their_height() {
    let picture = draw_gammas(&[epoch(1, 0), epoch(2, 0), epoch(3, 0)], 0.05).unwrap();
    let half = centre(&places(&picture, LOWER, STRONG));
    let quarter = centre(&places(&picture, LOWER, RAW));
    assert!((half.1 - 800.0).abs() < 2.0, "{half:?}");
    assert!((quarter.1 - 860.0).abs() < 2.0, "{quarter:?}");
    assert!(places(&picture, LOWER, MARK).is_empty(), "without safe ratios there must be no line");
    let known = GammaEpoch { safe_ratio: Some(0.75), ..epoch(2, 0) };
    let picture = draw_gammas(&[epoch(1, 0), known], 0.05).unwrap();
    assert!(!places(&picture, LOWER, MARK).is_empty());
}

#[test]
fn nothing_is_no_error() {
    assert_eq!(draw_gammas(&[], 0.05).unwrap().dimensions(), (1200, 1000));
    draw_gammas(&[epoch(1, 59)], 0.05).unwrap();
    draw_gammas(&[GammaEpoch { counts: vec![], percentiles: [f64::NAN; 5], ..epoch(1, 0) }], 0.05).unwrap();
    draw_pruning(&[], None).unwrap();
}

#[test]
fn less_of_a_network_is_further_right() {
    let step = |left: f64, map: f64| PruningStep {
        params: left,
        macs: left,
        map_pruned: map,
        map_recovered: f64::NAN,
    };
    let picture = draw_pruning(&[step(0.9, 0.5), step(0.2, 0.1)], None).unwrap();
    let dots = places(&picture, ((0, 620), (60, 500)), RAW);
    let left = dots.iter().map(|p| p.0).min().unwrap();
    let right = dots.iter().map(|p| p.0).max().unwrap();
    // 70 of the 106 percent of the axis are between them.
    let width = 620.0 - 76.0 - 24.0;
    assert!((f64::from(right - left) - (0.7 / 1.06 * width + 9.0)).abs() < 4.0, "{left} {right}");
    let top = dots.iter().min_by_key(|p| p.1).unwrap();
    assert!(top.0 < left + 20, "the larger network must have the higher mAP");
    assert!(
        places(&picture, ((0, 620), (60, 500)), STRONG).is_empty(),
        "without recovered values there must be no line"
    );
    let ruled = draw_pruning(&[step(0.9, 0.5)], Some(0.4)).unwrap();
    assert!(places(&ruled, ((0, 620), (60, 500)), MARK).len() > 400);
}
