//! Test of batch norm with given statistics, as two vectors and folded into weights.

use bonsai_kernels::{FoldBatchNorm, FrozenBatchNorm};

use crate::arena::{Arena, Rows};
use crate::norm_layer::EPS;
use crate::numbers::{assert_close, numbers};

#[test]
fn given_statistics_frozen_and_folded() {
    let rows = 27;
    let channels = 21;
    let weights = numbers(1, rows * channels);
    let [gamma, beta, mean, bias] = [2, 3, 4, 5].map(|seed| numbers(seed, channels));
    let var: Vec<f32> = numbers(6, channels).iter().map(|v| v.abs() + 0.01).collect();
    let scale: Vec<f64> = gamma
        .iter()
        .zip(&var)
        .map(|(&g, &v)| f64::from(g) / (f64::from(v) + f64::from(EPS)).sqrt())
        .collect();
    let line = |c: usize, x: f64| (x - f64::from(mean[c])) * scale[c] + f64::from(beta[c]);
    let mut arena = Arena::new();
    let [g, b, m, v, bias_view] = [&gamma, &beta, &mean, &var, &bias].map(|vector| arena.vector(vector));
    let w = arena.input(Rows::Dense, channels, &weights);
    let in_place = arena.input(Rows::Dense, channels, &weights);
    let [scale_view, shift, with_bias, without_bias] =
        [(); 4].map(|()| arena.output(Rows::Dense, 1, channels));
    let folded = arena.output(Rows::Apart, rows, channels);
    let fold = FoldBatchNorm {
        weights: w,
        folded,
        gamma: g,
        beta: b,
        mean: m,
        var: v,
        eps: EPS,
        bias: Some(bias_view),
        folded_bias: with_bias,
    };
    let outcomes = arena.run(|p| {
        let scale = scale_view;
        let beta = b;
        p.push("frozen", FrozenBatchNorm { gamma: g, beta, mean: m, var: v, eps: EPS, scale, shift })
            .unwrap();
        let again = FoldBatchNorm {
            weights: in_place,
            folded: in_place,
            bias: None,
            folded_bias: without_bias,
            ..fold.clone()
        };
        p.push("fold", fold.clone()).unwrap();
        p.push("fold", again).unwrap();
    });
    let product: Vec<f64> =
        weights.iter().enumerate().map(|(i, &w)| f64::from(w) * scale[i % channels]).collect();
    let of = |x: &dyn Fn(usize) -> f64| (0..channels).map(|c| line(c, x(c))).collect::<Vec<_>>();
    for outcome in outcomes {
        assert_close("scale", &outcome.values(&scale_view, channels), &scale, 1e-7);
        assert_close("shift", &outcome.values(&shift, channels), &of(&|_| 0.0), 1e-6);
        assert_close("folded", &outcome.values(&folded, channels), &product, 2e-7);
        assert_close("folded in place", &outcome.values(&in_place, channels), &product, 2e-7);
        assert_close("bias", &outcome.values(&with_bias, channels), &of(&|c| f64::from(bias[c])), 1e-7);
        assert_close("no bias", &outcome.values(&without_bias, channels), &of(&|_| 0.0), 1e-7);
    }
}
