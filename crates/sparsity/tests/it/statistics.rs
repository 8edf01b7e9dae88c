//! [`GammaStatistics`]: values computed by hand, serialisation, and errors.

use bonsai_checkpoint::{Array, Weights};
use bonsai_graph::Graph;
use bonsai_sparsity::{GammaStatistics, GammaSummary, Histogram, L1Outcome, StatisticsError, Travel};
use bonsai_testkit::random_weights;

fn network() -> Graph {
    "x = input() channels=5
     a = batch_norm(x) eps=0.001 momentum=0.03
     b = slice(a) start=0 len=1
     c = batch_norm(b) eps=0.001 momentum=0.03
     outputs = c"
        .parse()
        .unwrap()
}

fn weights() -> Weights {
    let mut weights = random_weights(0, &network());
    weights.insert("a.weight", Array::new(&[5], vec![1.0, -0.5, 0.0, 0.009, -0.0009]));
    weights.insert("a.bias", Array::new(&[5], vec![0.1, -0.7, 0.0, 0.3, 0.2]));
    weights.insert("c.weight", Array::new(&[1], vec![-4.0]));
    weights.insert("c.bias", Array::new(&[1], vec![0.25]));
    weights
}

fn assert_near(actual: &[f32], expected: &[f32]) {
    assert_eq!(actual.len(), expected.len());
    for (a, e) in actual.iter().zip(expected) {
        assert!((a - e).abs() < 1e-6, "{actual:?}, expected {expected:?}");
    }
}

#[test]
fn a_layer_by_hand() {
    let statistics = GammaStatistics::new(&network(), &weights()).unwrap();
    let names: Vec<_> = statistics.layers.iter().map(|l| l.layer.as_str()).collect();
    assert_eq!(names, ["a", "c"]);
    // Sorted magnitudes: 0, 0.0009, 0.009, 0.5, 1; percentile p is at position p / 25.
    let a = &statistics.layers[0].gamma;
    assert_eq!((a.count, a.below_1e2, a.below_1e3), (5, 0.6, 0.4));
    assert_near(&[a.min, a.mean, a.max], &[0.0, 1.5099 / 5.0, 1.0]);
    assert_near(&a.percentiles, &[0.000_18, 0.000_36, 0.0009, 0.009, 0.5, 0.8, 0.9]);
    assert_near(&[a.median(), a.largest_beta], &[0.009, 0.7]);
    let filled: Vec<_> = a.histogram.counts.iter().enumerate().filter(|(_, c)| **c > 0).collect();
    assert_eq!((filled, a.histogram.above), (vec![(0, &3), (10, &1), (20, &1)], 0));

    let c = &statistics.layers[1].gamma;
    assert_eq!((c.count, c.below_1e2, c.histogram.above), (1, 0.0, 1));
    assert_near(&c.percentiles, &[4.0; 7]);
}

#[test]
fn overall_is_over_channels_not_over_layers() {
    let GammaStatistics { overall, layers } = GammaStatistics::new(&network(), &weights()).unwrap();
    assert_eq!((overall.count, overall.below_1e2), (6, 0.5));
    assert_near(&[overall.mean, overall.max, overall.largest_beta], &[5.5099 / 6.0, 4.0, 0.7]);
    assert_near(&[overall.median()], &[f32::midpoint(0.009, 0.5)]);
    let sum: u64 = overall.histogram.counts.iter().sum::<u64>() + overall.histogram.above;
    assert_eq!(sum, 6);
    assert_eq!(layers.iter().map(|l| l.gamma.count).sum::<usize>(), 6);
    assert_eq!(overall.histogram.counts.len(), Histogram::BINS);
    assert_eq!(GammaSummary::PERCENTILES[3], 50);
}

#[test]
fn statistics_are_data() {
    let statistics = GammaStatistics::new(&network(), &weights()).unwrap();
    let json = serde_json::to_string(&statistics).unwrap();
    assert_eq!(serde_json::from_str::<GammaStatistics>(&json).unwrap(), statistics);
}

#[test]
fn what_has_no_statistics_is_told() {
    let folded: Graph = "x = input() channels=1\noutputs = x".parse().unwrap();
    let error = GammaStatistics::new(&folded, &Weights::new()).unwrap_err();
    assert!(matches!(error, StatisticsError::NoBatchNorm), "{error}");

    let error = GammaStatistics::new(&network(), &Weights::new()).unwrap_err();
    assert!(matches!(error, StatisticsError::Weights(_)), "{error}");

    for (name, channel) in [("a.weight", 3), ("a.bias", 4)] {
        let mut weights = weights();
        weights.get_mut(name).unwrap().data_mut()[channel] = f32::NAN;
        let message = GammaStatistics::new(&network(), &weights).unwrap_err().to_string();
        for part in [&format!("`{name}`"), "NaN", &format!("channel {channel}")] {
            assert!(message.contains(part), "`{part}` is missing in: {message}");
        }
    }
}

#[test]
fn an_outcome_in_a_sentence() {
    let summary = |gammas: &[f32]| {
        let mut weights = weights();
        weights.insert("a.weight", Array::new(&[5], gammas.to_vec()));
        weights.insert("c.weight", Array::new(&[1], vec![1.0]));
        GammaStatistics::new(&network(), &weights).unwrap().overall
    };
    let outcome = L1Outcome {
        predicted: Some(Travel { distance: 1.75, updates: 650 }),
        before: Some(summary(&[1.0, -1.0, 1.0, 0.5, 1.5])),
        after: summary(&[0.004, 0.0, -0.5, 0.25, 0.25]),
    };
    // Sorted before: 0.5, 1, 1, 1, 1, 1.5; after: 0, 0.004, 0.25, 0.25, 0.5, 1. The 5th percentile is at
    // position 0.25.
    assert_eq!(
        outcome.to_string(),
        "L1 alone could move a gamma by 1.75 in 650 updates: the median of |gamma| went from 1.000 to 0.250, its 5th \
         percentile from 0.625 to 0.001, and the fraction below 0.01 from 0.0 % to 33.3 %"
    );
    let json = serde_json::to_string(&outcome).unwrap();
    assert_eq!(serde_json::from_str::<L1Outcome>(&json).unwrap(), outcome);
    assert_eq!(
        L1Outcome { predicted: None, before: None, ..outcome }.to_string(),
        "after L1, the median of |gamma| is 0.250, its 5th percentile 0.001, and the fraction below 0.01 33.3 %"
    );
}
