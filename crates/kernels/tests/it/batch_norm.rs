//! Batch norm against PyTorch's numbers, finite differences and the laws of statistics.

use bonsai_kernels::Nhwc;
use bonsai_kernels::batch_norm::{Affine, Gradients, Moments, backward, forward, forward_eval};
use proptest::prelude::*;

use crate::numbers::{assert_close, finite_differences, numbers, wide};

const EPS: f32 = 1e-3;

/// The textbook formula in `f64`, two passes over each channel.
fn textbook(channels: usize, x: &[f64], gamma: &[f64], beta: &[f64]) -> Vec<f64> {
    let count = (x.len() / channels) as f64;
    let mut y = vec![0.0; x.len()];
    for c in 0..channels {
        let values = || x.iter().skip(c).step_by(channels);
        let mean = values().sum::<f64>() / count;
        let variance = values().map(|v| (v - mean).powi(2)).sum::<f64>() / count;
        for i in (c..x.len()).step_by(channels) {
            y[i] = gamma[c] * (x[i] - mean) / (variance + f64::from(EPS)).sqrt() + beta[c];
        }
    }
    y
}

fn weighted(y: &[f64], weights: &[f32]) -> f64 {
    y.iter().zip(weights).map(|(&y, &w)| y * f64::from(w)).sum()
}

#[test]
fn equals_pytorch() {
    // torch.nn.BatchNorm2d(1, eps=1e-3, momentum=0.03), weight 1.5, bias -0.25, upstream gradient 0, 1, .. 7.
    let shape = Nhwc::new(2, 2, 2, 1);
    let x = [1.0, 2.0, 3.0, 5.0, 8.0, 13.0, -1.0, 0.5];
    let dy = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0];
    let affine = Affine { gamma: &[1.5], beta: &[-0.25], eps: EPS };
    let mut y = [0.0; 8];
    let moments = forward(shape, affine, &x, &mut y).unwrap();
    let expected = [
        -1.270_212_769_5,
        -0.922_906_279_6,
        -0.575_599_789_6,
        0.119_013_190_3,
        1.160_932_660_1,
        2.897_465_229,
        -1.964_825_749_4,
        -1.443_866_014_5,
    ];
    assert_close("y", &y, &expected, 1e-6);

    let (mut mean, mut variance) = ([0.0], [1.0]);
    moments.update_running(0.03, &mut mean, &mut variance).unwrap();
    assert_close("running mean", &mean, &[0.118_124_999], 1e-6);
    assert_close("running variance", &variance, &[1.609_508_991], 1e-6);

    let (mut dx, mut dgamma, mut dbeta) = ([0.0; 8], [0.0], [0.0]);
    let gradients = Gradients { dx: &mut dx, dgamma: &mut dgamma, dbeta: &mut dbeta };
    backward(shape, affine, &moments, &x, &dy, gradients).unwrap();
    let expected = [
        -1.166_006_922_7,
        -0.835_573_911_7,
        -0.505_140_900_6,
        -0.191_581_293_9,
        0.105_104_804,
        0.368_043_988_9,
        0.951_578_974_7,
        1.273_575_305_9,
    ];
    assert_close("dx", &dx, &expected, 1e-6);
    assert_close("dgamma", &dgamma, &[1.678_648_114_2], 1e-6);
    assert_close("dbeta", &dbeta, &[28.0], 1e-6);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn forward_and_gradients_match_the_textbook(
        n in 1usize..4, h in 1usize..4, w in 2usize..4, c in 1usize..4, seed: u64,
    ) {
        let shape = Nhwc::new(n, h, w, c);
        let (x, dy) = (numbers(seed, shape.len()), numbers(seed ^ 1, shape.len()));
        let (gamma, beta) = (numbers(seed ^ 2, c), numbers(seed ^ 3, c));
        let affine = Affine { gamma: &gamma, beta: &beta, eps: EPS };
        let mut y = vec![f32::NAN; shape.len()];
        let moments = forward(shape, affine, &x, &mut y).unwrap();
        let (wide_x, wide_gamma, wide_beta) = (wide(&x), wide(&gamma), wide(&beta));
        assert_close("y", &y, &textbook(c, &wide_x, &wide_gamma, &wide_beta), 1e-6);

        let (mut dx, mut dgamma, mut dbeta) =
            (vec![f32::NAN; shape.len()], vec![f32::NAN; c], vec![f32::NAN; c]);
        let gradients = Gradients { dx: &mut dx, dgamma: &mut dgamma, dbeta: &mut dbeta };
        backward(shape, affine, &moments, &x, &dy, gradients).unwrap();
        // The variance of two close values may be tiny, so the third derivative is large: hence not 1e-7.
        let tolerance = 2e-4;
        let of_x = |x: &[f64]| weighted(&textbook(c, x, &wide_gamma, &wide_beta), &dy);
        assert_close("dx", &dx, &finite_differences(&wide_x, of_x), tolerance);
        let of_gamma = |gamma: &[f64]| weighted(&textbook(c, &wide_x, gamma, &wide_beta), &dy);
        assert_close("dgamma", &dgamma, &finite_differences(&wide_gamma, of_gamma), 1e-6);
        let of_beta = |beta: &[f64]| weighted(&textbook(c, &wide_x, &wide_gamma, beta), &dy);
        assert_close("dbeta", &dbeta, &finite_differences(&wide_beta, of_beta), 1e-6);
    }

    #[test]
    fn moments_of_parts_combine_to_those_of_the_whole(cut in 0usize..9, c in 1usize..4, seed: u64) {
        let whole = Nhwc::new(8, 2, 3, c);
        let x = numbers(seed, whole.len());
        let (first, rest) = x.split_at(cut.min(8) * 6 * c);
        let mut parts = Moments::of(Nhwc::new(cut.min(8), 2, 3, c), first).unwrap();
        parts.combine(&Moments::of(Nhwc::new(8 - cut.min(8), 2, 3, c), rest).unwrap());
        let all = Moments::of(whole, &x).unwrap();
        prop_assert_eq!(parts.count(), all.count());
        let figures = |m: &Moments| m.mean().iter().copied().chain(m.variance()).collect::<Vec<f64>>();
        for (a, b) in figures(&parts).iter().zip(figures(&all)) {
            prop_assert!((a - b).abs() < 1e-13);
        }
    }

    #[test]
    fn evaluation_with_the_batch_statistics_is_training(c in 1usize..4, seed: u64) {
        let shape = Nhwc::new(2, 3, 3, c);
        let x = numbers(seed, shape.len());
        let (gamma, beta) = (numbers(seed ^ 2, c), numbers(seed ^ 3, c));
        let affine = Affine { gamma: &gamma, beta: &beta, eps: EPS };
        let (mut trained, mut evaluated) = (vec![0.0; x.len()], vec![0.0; x.len()]);
        let moments = forward(shape, affine, &x, &mut trained).unwrap();
        let mean: Vec<f32> = moments.mean().iter().map(|&m| m as f32).collect();
        let variance: Vec<f32> = moments.variance().map(|v| v as f32).collect();
        forward_eval(shape, affine, &mean, &variance, &x, &mut evaluated).unwrap();
        assert_close("y", &evaluated, &wide(&trained), 1e-5);
    }
}

#[test]
fn a_large_mean_does_not_drown_the_variance() {
    // E[x^2] - E[x]^2 in f32 would give 0 or worse here.
    let x: Vec<f32> = (0..1024u16).map(|i| 10_000.0 + f32::from(i % 2) * 0.5).collect();
    let moments = Moments::of(Nhwc::new(4, 16, 16, 1), &x).unwrap();
    assert!(moments.variance().all(|v| (v - 0.0625).abs() < 1e-9));
}
