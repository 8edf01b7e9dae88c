//! Tests of element-wise kernels in every combination of their flags, in place and out of place.

use bonsai_kernels::{Pointwise, PointwiseGradient, PointwiseSums};

use crate::arena::{Arena, Rows};
use crate::numbers::{assert_close, numbers, wide};
use crate::reference::silu;

const PIXELS: usize = 67;
const CHANNELS: usize = 45;

#[test]
fn forward_in_every_combination() {
    let y: Vec<f32> = numbers(1, PIXELS * CHANNELS).iter().map(|v| v * 8.0).collect();
    let r = numbers(2, y.len());
    let scale = numbers(3, CHANNELS);
    let shift = numbers(4, CHANNELS);
    for flags in 0..8u8 {
        let [norm, activate, add] = [1, 2, 4].map(|flag| flags & flag != 0);
        let expected: Vec<f64> = (0..y.len())
            .map(|i| {
                let c = i % CHANNELS;
                let line = f64::from(y[i]) * f64::from(scale[c]) + f64::from(shift[c]);
                let u = if norm { line } else { f64::from(y[i]) };
                let z = if activate { silu::value(u) } else { u };
                if add { z + f64::from(r[i]) } else { z }
            })
            .collect();
        let mut arena = Arena::new();
        let a = arena.vector(&scale);
        let b = arena.vector(&shift);
        let views = [(); 3].map(|()| arena.input(Rows::Apart, CHANNELS, &y));
        let residuals = [(); 3].map(|()| arena.input(Rows::Apart, CHANNELS, &r));
        let apart = arena.output(Rows::Dense, PIXELS, CHANNELS);
        // Out of place, in place of y, in place of the residual.
        let outputs = [apart, views[1], if add { residuals[2] } else { views[2] }];
        let outcomes = arena.run(|p| {
            for i in 0..3 {
                let kernel = Pointwise {
                    y: views[i],
                    z: outputs[i],
                    norm: norm.then_some((a, b)),
                    silu: activate,
                    residual: add.then_some(residuals[i]),
                };
                p.push("pointwise", kernel).unwrap();
            }
        });
        for outcome in outcomes {
            for view in &outputs {
                let what = format!("{} flags {flags}", outcome.isa);
                assert_close(&what, &outcome.values(view, CHANNELS), &expected, 1e-6);
            }
        }
    }
}

#[test]
fn gradient_in_every_combination() {
    let y: Vec<f32> = numbers(1, PIXELS * CHANNELS).iter().map(|v| v * 8.0).collect();
    let dz = numbers(2, y.len());
    let before = numbers(9, y.len());
    let vectors = [3, 4, 5, 6].map(|seed| numbers(seed, CHANNELS));
    for flags in 0..8u8 {
        let [norm, activate, accumulate] = [1, 2, 4].map(|flag| flags & flag != 0);
        let of = |before: &[f32]| -> Vec<f64> {
            (0..y.len())
                .map(|i| {
                    let [scale, shift, k1, k0] = [0, 1, 2, 3].map(|v| f64::from(vectors[v][i % CHANNELS]));
                    let y = f64::from(y[i]);
                    let u = if norm { scale * y + shift } else { y };
                    let du = f64::from(dz[i]) * if activate { silu::slope(u) } else { 1.0 };
                    let dy = if norm { scale * du + k1 * y + k0 } else { du };
                    if accumulate { dy + f64::from(before[i]) } else { dy }
                })
                .collect()
        };
        let mut arena = Arena::new();
        let norms = [0, 1, 2, 3].map(|i| arena.vector(&vectors[i]));
        let views = [(); 3].map(|()| arena.input(Rows::Apart, CHANNELS, &y));
        let gradients = [(); 3].map(|()| arena.input(Rows::Dense, CHANNELS, &dz));
        let apart = arena.input(Rows::Apart, CHANNELS, &before);
        let outputs = [apart, gradients[1], views[2]];
        let outcomes = arena.run(|p| {
            for i in 0..3 {
                let kernel = PointwiseGradient {
                    y: views[i],
                    dz: gradients[i],
                    dy: outputs[i],
                    norm: norm.then_some(norms),
                    silu: activate,
                    accumulate,
                };
                p.push("gradient", kernel).unwrap();
            }
        });
        for outcome in outcomes {
            for (view, before) in outputs.iter().zip([&before, &dz, &y]) {
                let what = format!("{} flags {flags}", outcome.isa);
                assert_close(&what, &outcome.values(view, CHANNELS), &of(before), 3e-6);
            }
        }
    }
}

#[test]
fn sums_with_and_without_activation_and_residual() {
    for pixels in [1, 33, 4500] {
        let y = numbers(1, pixels * CHANNELS);
        let dz = numbers(2, y.len());
        let before = numbers(9, y.len());
        let [scale, shift, mean, inv] = [3, 4, 5, 6].map(|seed| numbers(seed, CHANNELS));
        for (activate, residual) in [
            (true, None),
            (false, None),
            (true, Some(false)),
            (false, Some(false)),
            (true, Some(true)),
            (false, Some(true)),
        ] {
            let mut arena = Arena::new();
            let [a, b, m, i] = [&scale, &shift, &mean, &inv].map(|vector| arena.vector(vector));
            let y_view = arena.input(Rows::Apart, CHANNELS, &y);
            let dz_view = arena.input(Rows::Apart, CHANNELS, &dz);
            let parts = PointwiseSums::parts(pixels);
            let partials = arena.output(Rows::Dense, 2 * parts, CHANNELS);
            let dr = arena.input(Rows::Apart, CHANNELS, &before);
            let kernel = PointwiseSums {
                y: y_view,
                dz: dz_view,
                scale: a,
                shift: b,
                mean: m,
                inv: i,
                silu: activate,
                partials,
                residual: residual.map(|accumulate| (dr, accumulate)),
            };
            let outcomes = arena.run(|p| p.push("sums", kernel.clone()).unwrap());
            let mut expected = vec![0.0; 2 * CHANNELS];
            for k in 0..y.len() {
                let c = k % CHANNELS;
                let u = f64::from(y[k]) * f64::from(scale[c]) + f64::from(shift[c]);
                let du = f64::from(dz[k]) * if activate { silu::slope(u) } else { 1.0 };
                expected[c] += du;
                expected[CHANNELS + c] += du * (f64::from(y[k]) - f64::from(mean[c])) * f64::from(inv[c]);
            }
            for outcome in outcomes {
                let rows = wide(&outcome.values(&partials, CHANNELS));
                let sum = |i: usize| (rows.iter().skip(i).step_by(2 * CHANNELS).sum::<f64>()) as f32;
                let sums: Vec<f32> = (0..2 * CHANNELS).map(sum).collect();
                assert_close(&format!("{} sums", outcome.isa), &sums, &expected, 2e-5);
                let of_residual: Vec<f64> = (0..y.len())
                    .map(|k| match residual {
                        None => f64::from(before[k]),
                        Some(false) => f64::from(dz[k]),
                        Some(true) => f64::from(before[k] + dz[k]),
                    })
                    .collect();
                assert_close("residual", &outcome.values(&dr, CHANNELS), &of_residual, 0.0);
            }
        }
    }
}

#[test]
fn nan_and_infinity_pass_through() {
    let y = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1.0];
    let mut arena = Arena::new();
    let view = arena.input(Rows::Dense, 4, &y);
    let one = arena.vector(&[1.0; 4]);
    let zero = arena.vector(&[0.0; 4]);
    let [z, dy] = [(); 2].map(|()| arena.output(Rows::Dense, 1, 4));
    let norm = [one, zero, zero, zero];
    let outcomes = arena.run(|p| {
        p.push("z", Pointwise { y: view, z, norm: Some((one, zero)), silu: true, residual: None }).unwrap();
        let kernel =
            PointwiseGradient { y: view, dz: one, dy, norm: Some(norm), silu: true, accumulate: false };
        p.push("dy", kernel).unwrap();
    });
    for outcome in outcomes {
        let z = outcome.values(&z, 4);
        let dy = outcome.values(&dy, 4);
        assert!(z[0].is_nan() && dy[0].is_nan(), "{}: {z:?} {dy:?}", outcome.isa);
        assert!(!z[1].is_finite() && !z[2].is_finite(), "{}: {z:?}", outcome.isa);
        assert!(!dy[1].is_finite() && !dy[2].is_finite() && dy[3].is_finite(), "{}: {dy:?}", outcome.isa);
    }
}

#[test]
fn behind_a_batch_norm_no_gradient_is_denormal() {
    // From denormal gradients to significant ones; the scale of 1e-3 represents a gamma near zero.
    let dz: Vec<f32> = (0..CHANNELS).map(|c| 2.0 * 10f32.powi(c as i32 % 45 - 44)).collect();
    let mut arena = Arena::new();
    let [view, gradient] = [&vec![0.0; CHANNELS], &dz].map(|values| arena.vector(values));
    let [scale, zero] = [1e-3, 0.0].map(|value| arena.vector(&[value; CHANNELS]));
    let before: Vec<f32> = vec![1.0; CHANNELS];
    let dy = arena.output(Rows::Dense, 1, CHANNELS);
    let added = arena.vector(&before);
    let outcomes = arena.run(|p| {
        let norm = Some([scale, zero, zero, zero]);
        for (dy, accumulate) in [(dy, false), (added, true)] {
            let kernel = PointwiseGradient { y: view, dz: gradient, dy, norm, silu: true, accumulate };
            p.push("dy", kernel).unwrap();
        }
    });
    for outcome in outcomes {
        let dy = outcome.values(&dy, CHANNELS);
        let added = outcome.values(&added, CHANNELS);
        for c in 0..CHANNELS {
            let exact = f64::from(dz[c]) * 0.5e-3;
            if exact < 0.9e-18 {
                assert_eq!(dy[c].to_bits(), 0, "{}: {} from {}", outcome.isa, dy[c], dz[c]);
            } else if exact > 1.1e-18 {
                assert!(
                    (f64::from(dy[c]) / exact - 1.0).abs() < 1e-6,
                    "{}: {} is not {exact}",
                    outcome.isa,
                    dy[c]
                );
            }
            assert_eq!(added[c], 1.0 + dy[c]);
        }
        assert!(dy.contains(&0.0) && dy.iter().any(|v| *v != 0.0));
    }
}
