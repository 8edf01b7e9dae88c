//! Tests of batch norm and SiLU, forward and backward, against the definition and finite differences.

use bonsai_kernels::{
    BatchNorm, BatchNormGradient, FoldBatchNorm, FrozenBatchNorm, Moments, Pointwise, PointwiseGradient,
    PointwiseSums, Program, View,
};

use crate::arena::{Arena, Rows};
use crate::numbers::{assert_close, finite_differences, numbers, wide};
use crate::reference::batch_norm::{self, Affine};
use crate::reference::silu;

const EPS: f32 = 1e-3;

/// Odd numbers of pixels (some need several parts or several runs of a sum) and of channels.
const SIZES: [(usize, usize); 6] = [(2, 16), (31, 13), (45, 80), (800, 27), (1321, 48), (5200, 16)];

/// One layer `z = silu(batch_norm(y)) + r` and its backward, in an arena.
struct Layer {
    y: View,
    z: View,
    dz: View,
    dy: View,
    dr: View,
    vectors: Vectors,
    partials: View,
    sums: View,
    counts: Vec<usize>,
    residual: View,
}

struct Vectors {
    gamma: View,
    beta: View,
    running_mean: View,
    running_var: View,
    mean: View,
    inv: View,
    scale: View,
    shift: View,
    dgamma: View,
    dbeta: View,
    k1: View,
    k0: View,
}

/// The input data of the layer.
struct Data {
    channels: usize,
    y: Vec<f32>,
    residual: Vec<f32>,
    dz: Vec<f32>,
    gamma: Vec<f32>,
    beta: Vec<f32>,
}

impl Data {
    fn new(pixels: usize, channels: usize, seed: u64) -> Self {
        // Means up to three standard deviations away from 0.
        let mean = numbers(seed ^ 5, channels);
        let mut y = numbers(seed, pixels * channels);
        y.iter_mut().enumerate().for_each(|(i, y)| *y += 3.0 * mean[i % channels]);
        let residual = numbers(seed ^ 4, y.len());
        let dz = numbers(seed ^ 1, y.len());
        let mut gamma = numbers(seed ^ 2, channels);
        // Sparse training leaves such gammas.
        gamma[0] = 0.0;
        Self { channels, y, residual, dz, gamma, beta: numbers(seed ^ 3, channels) }
    }

    fn place(&self, arena: &mut Arena, rows: Rows) -> Layer {
        let c = self.channels;
        let pixels = self.y.len() / c;
        let vectors = Vectors {
            gamma: arena.vector(&self.gamma),
            beta: arena.vector(&self.beta),
            running_mean: arena.vector(&vec![0.5; c]),
            running_var: arena.vector(&vec![2.0; c]),
            mean: arena.output(Rows::Dense, 1, c),
            inv: arena.output(Rows::Dense, 1, c),
            scale: arena.output(Rows::Dense, 1, c),
            shift: arena.output(Rows::Dense, 1, c),
            dgamma: arena.vector(&vec![1.0; c]),
            dbeta: arena.vector(&vec![-1.0; c]),
            k1: arena.output(Rows::Dense, 1, c),
            k0: arena.output(Rows::Dense, 1, c),
        };
        Layer {
            y: arena.input(rows, c, &self.y),
            z: arena.output(rows, pixels, c),
            dz: arena.input(rows, c, &self.dz),
            dy: arena.output(rows, pixels, c),
            dr: arena.input(rows, c, &vec![1.0; self.y.len()]),
            vectors,
            partials: arena.output(Rows::Dense, 2 * Moments::parts(pixels), c),
            sums: arena.output(Rows::Dense, 2 * PointwiseSums::parts(pixels), c),
            counts: Moments::counts(pixels),
            residual: arena.input(rows, c, &self.residual),
        }
    }
}

impl Layer {
    fn push_forward(&self, p: &mut Program) {
        let v = &self.vectors;
        p.push("moments", Moments { y: self.y, partials: self.partials }).unwrap();
        let norm = BatchNorm {
            counts: self.counts.clone(),
            partials: self.partials,
            gamma: v.gamma,
            beta: v.beta,
            running_mean: v.running_mean,
            running_var: v.running_var,
            momentum: 0.03,
            eps: EPS,
            mean: v.mean,
            inv: v.inv,
            scale: v.scale,
            shift: v.shift,
        };
        p.push("norm", norm).unwrap();
        let norm = Some((v.scale, v.shift));
        let apply = Pointwise { y: self.y, z: self.z, norm, silu: true, residual: Some(self.residual) };
        p.push("apply", apply).unwrap();
    }

    fn push_backward(&self, p: &mut Program) {
        let v = &self.vectors;
        let sums = PointwiseSums {
            y: self.y,
            dz: self.dz,
            scale: v.scale,
            shift: v.shift,
            mean: v.mean,
            inv: v.inv,
            silu: true,
            partials: self.sums,
            residual: Some((self.dr, true)),
        };
        p.push("sums", sums).unwrap();
        let gradient = BatchNormGradient {
            pixels: self.y.pixels,
            partials: self.sums,
            scale: v.scale,
            mean: v.mean,
            inv: v.inv,
            dgamma: v.dgamma,
            dbeta: v.dbeta,
            k1: v.k1,
            k0: v.k0,
        };
        p.push("norm", gradient).unwrap();
        let norm = Some([v.scale, v.shift, v.k1, v.k0]);
        let apply =
            PointwiseGradient { y: self.y, dz: self.dz, dy: self.dy, norm, silu: true, accumulate: false };
        p.push("apply", apply).unwrap();
    }
}

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

#[test]
fn a_large_mean_does_not_drown_the_variance() {
    // E[x^2] - E[x]^2 in f32 would give 0 or worse. The first values of channel 1 differ from the rest.
    let y: Vec<f32> = (0..4096u16)
        .flat_map(|i| [10_000.0 + f32::from(i % 2) * 0.5, if i < 40 { 1000.0 } else { f32::from(i % 2) }])
        .collect();
    let mut arena = Arena::new();
    let view = arena.input(Rows::Dense, 2, &y);
    let partials = arena.output(Rows::Dense, 2 * Moments::parts(4096), 2);
    for outcome in arena.run(|p| p.push("moments", Moments { y: view, partials }).unwrap()) {
        let rows = outcome.values(&partials, 2);
        let mut start = 0;
        for (part, count) in Moments::counts(4096).into_iter().enumerate() {
            let values = wide(&y[2 * start..2 * (start + count)]);
            let (mean, m2) = batch_norm::moments(2, &values);
            for c in 0..2 {
                let got_mean = f64::from(rows[4 * part + c]);
                let got_m2 = f64::from(rows[4 * part + 2 + c]);
                assert!(
                    (got_mean - mean[c]).abs() <= 1e-7 * mean[c].abs(),
                    "{}: mean {got_mean}",
                    outcome.isa
                );
                assert!((got_m2 - m2[c]).abs() <= 1e-4 * m2[c], "{}: {got_m2} for {}", outcome.isa, m2[c]);
            }
            start += count;
        }
    }
}

#[test]
fn constant_and_infinite_channels() {
    let pixels = 75;
    let y: Vec<f32> = (0..pixels * 3)
        .map(|i| [0.1, 7.0, if i == 30 * 3 + 2 { f32::INFINITY } else { 1.0 }][i % 3])
        .collect();
    let mut arena = Arena::new();
    let view = arena.input(Rows::Apart, 3, &y);
    let partials = arena.output(Rows::Dense, 2 * Moments::parts(pixels), 3);
    for outcome in arena.run(|p| p.push("moments", Moments { y: view, partials }).unwrap()) {
        let rows = outcome.values(&partials, 3);
        for part in rows.chunks_exact(6) {
            assert!((part[0] - 0.1).abs() < 1e-7 && part[1] == 7.0);
            assert!((0.0..1e-12).contains(&part[3]) && part[4] == 0.0, "{}: {part:?}", outcome.isa);
        }
        assert!(!rows[2].is_finite() && !rows[5].is_finite(), "{}: {:?}", outcome.isa, &rows[..6]);
    }
}

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
