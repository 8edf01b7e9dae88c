//! Tests of batch norm and SiLU, forward and backward, against the definition and finite differences.

use bonsai_kernels::{Pointwise, View};

use crate::arena::{Arena, Rows};
use crate::norm_layer::{Data, EPS};
use crate::numbers::{assert_close, finite_differences, wide};
use crate::reference::batch_norm::{self, Affine};
use crate::reference::silu;

/// Odd numbers of pixels (some need several parts or several runs of a sum) and of channels.
const SIZES: [(usize, usize); 6] = [(2, 16), (31, 13), (45, 80), (800, 27), (1321, 48), (5200, 16)];

#[test]
fn a_layer_forward_and_backward_is_its_definition() {
    for (index, &(pixels, channels)) in SIZES.iter().enumerate() {
        for rows in [Rows::Dense, Rows::Apart] {
            let data = Data::new(pixels, channels, index as u64);
            let mut arena = Arena::new();
            let layer = data.place(&mut arena, rows);
            let outcomes = arena.run(|p| {
                layer.push_forward(p);
                layer.push_backward(p);
            });

            let y = wide(&data.y);
            let gamma = wide(&data.gamma);
            let beta = wide(&data.beta);
            let affine = Affine { gamma: &gamma, beta: &beta, eps: f64::from(EPS) };
            let u = batch_norm::forward(&affine, &y);
            let z: Vec<f64> =
                u.iter().zip(&data.residual).map(|(&u, &r)| silu::value(u) + f64::from(r)).collect();
            let du: Vec<f64> =
                u.iter().zip(&data.dz).map(|(&u, &dz)| silu::slope(u) * f64::from(dz)).collect();
            let [dy, dgamma, dbeta] = batch_norm::backward(&affine, &y, &du);
            let (mean, m2) = batch_norm::moments(channels, &y);
            let running_mean: Vec<f64> = mean.iter().map(|m| 0.97 * 0.5 + 0.03 * m).collect();
            let n = pixels as f64;
            let running_var: Vec<f64> = m2.iter().map(|m| 0.97 * 2.0 + 0.03 * m / (n - 1.0)).collect();
            let dr: Vec<f64> = data.dz.iter().map(|&dz| 1.0 + f64::from(dz)).collect();

            for outcome in outcomes {
                let what = |name: &str| format!("{name} on {}, {pixels} x {channels} {rows:?}", outcome.isa);
                let v = &layer.vectors;
                // Two pixels may be close to each other; normalising them then magnifies rounding errors.
                let tolerance = if pixels == 2 { 1e-3 } else { 4e-6 };
                let close = |name: &str, view: &View, expected: &[f64], tolerance: f64| {
                    assert_close(&what(name), &outcome.values(view, channels), expected, tolerance);
                };
                close("mean", &v.mean, &mean, 1e-6);
                close("running mean", &v.running_mean, &running_mean, 1e-6);
                close("running variance", &v.running_var, &running_var, 1e-6);
                close("z", &layer.z, &z, tolerance);
                close("residual's gradient", &layer.dr, &dr, 1e-6);
                let sum = |g: &[f64], start: f64| g.iter().map(|g| g + start).collect::<Vec<_>>();
                // The error per term is less than the rounding error of its size, which is 1/2.
                let of_sums = tolerance + 1e-8 * n;
                close("dgamma", &v.dgamma, &sum(&dgamma, 1.0), of_sums);
                close("dbeta", &v.dbeta, &sum(&dbeta, -1.0), of_sums);
                close("dy", &layer.dy, &dy, tolerance * 30.0);
            }
        }
    }
}

#[test]
fn gradients_are_finite_differences() {
    let pixels = 9;
    let channels = 3;
    let data = Data::new(pixels, channels, 77);
    let mut arena = Arena::new();
    let layer = data.place(&mut arena, Rows::Apart);
    let outcomes = arena.run(|p| {
        layer.push_forward(p);
        layer.push_backward(p);
    });
    let y = wide(&data.y);
    let gamma = wide(&data.gamma);
    let beta = wide(&data.beta);
    let loss = |y: &[f64], gamma: &[f64], beta: &[f64]| -> f64 {
        let u = batch_norm::forward(&Affine { gamma, beta, eps: f64::from(EPS) }, y);
        u.iter().zip(&data.dz).map(|(&u, &dz)| silu::value(u) * f64::from(dz)).sum()
    };
    let dy = finite_differences(&y, |y| loss(y, &gamma, &beta));
    let dgamma = finite_differences(&gamma, |gamma| loss(&y, gamma, &beta));
    let dbeta = finite_differences(&beta, |beta| loss(&y, &gamma, beta));
    let plus = |g: &[f64], start: f64| g.iter().map(|g| g + start).collect::<Vec<_>>();
    for outcome in outcomes {
        let v = &layer.vectors;
        assert_close("dy", &outcome.values(&layer.dy, channels), &dy, 1e-5);
        assert_close("dgamma", &outcome.values(&v.dgamma, channels), &plus(&dgamma, 1.0), 1e-5);
        assert_close("dbeta", &outcome.values(&v.dbeta, channels), &plus(&dbeta, -1.0), 1e-5);
    }
}

#[test]
fn equals_pytorch() {
    // torch.nn.BatchNorm2d(1, eps=1e-3, momentum=0.03), weight 1.5, bias -0.25, running statistics 0.5 and 2.
    let data = Data {
        channels: 1,
        y: vec![1.0, 2.0, 3.0, 5.0, 8.0, 13.0, -1.0, 0.5],
        residual: vec![0.0; 8],
        dz: vec![0.0; 8],
        gamma: vec![1.5],
        beta: vec![-0.25],
    };
    let mut arena = Arena::new();
    let layer = data.place(&mut arena, Rows::Dense);
    let u = arena.output(Rows::Dense, 8, 1);
    let norm = Some((layer.vectors.scale, layer.vectors.shift));
    let outcomes = arena.run(|p| {
        layer.push_forward(p);
        p.push("u", Pointwise { y: layer.y, z: u, norm, silu: false, residual: None }).unwrap();
    });
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
    for outcome in outcomes {
        assert_close("u", &outcome.values(&u, 1), &expected, 1e-6);
        // From 0 and 1 as running statistics, the same step leads to 0.118125 and 1.609508991.
        let v = &layer.vectors;
        assert_close(
            "running mean",
            &outcome.values(&v.running_mean, 1),
            &[0.118_124_999 + 0.97 * 0.5],
            1e-6,
        );
        assert_close("running variance", &outcome.values(&v.running_var, 1), &[1.609_508_991 + 0.97], 1e-6);
    }
}
